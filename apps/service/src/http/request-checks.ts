import type { NextFunction, Request, Response } from 'express';
import { HighwaterError } from '@highwater/kernel';
import type { HttpSettings } from '@highwater/roles';
import { httpCodes } from './codes.js';

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];
const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);
const yaml = ['application/yaml', 'application/x-yaml', 'text/yaml'];

/** Media types of a plan that the text parser reads. */
export const yamlTypes = yaml;

/**
 * A page in a browser must not be able to reach a service on loopback by a name that resolves to it (DNS rebinding, SECURITY S06) nor
 * by a form of another site (S05): the Host must be one of ours, and a changing request with an Origin must come from one of ours.
 */
export function checkHost(settings: HttpSettings) {
  const allowed = new Set([
    ...loopbackNames,
    settings.host.includes(':') ? `[${settings.host}]` : settings.host,
    ...settings.allowedHosts,
  ]);
  const ours = (host: string): boolean => allowed.has(host.toLowerCase().replace(/:\d+$/, ''));
  return (request: Request, _response: Response, next: NextFunction): void => {
    if (!ours(request.headers.host ?? '')) return next(foreign('Host'));
    const { origin } = request.headers;
    if (!safeMethods.has(request.method)) {
      const from = origin === undefined ? undefined : URL.canParse(origin) ? new URL(origin).host : '';
      if (from !== undefined && !ours(from)) return next(foreign('Origin'));
      const site = request.headers['sec-fetch-site'];
      if (site !== undefined && site !== 'same-origin' && site !== 'none') return next(foreign('Sec-Fetch-Site'));
    }
    next();
  };
}

/** A body of another media type would be ignored by the parsers, and the request taken as one without a body. */
export function checkMediaType(request: Request, _response: Response, next: NextFunction): void {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  if (!hasBody || request.is('application/json')) return next();
  const takesPlan = request.method === 'POST' && /^\/migrations\/?$/.test(request.path);
  if (takesPlan && request.is([...yaml])) return next();
  next(
    new HighwaterError(
      httpCodes.mediaType,
      'never',
      `content type "${(request.headers['content-type'] ?? 'none').slice(0, 100)}" is not taken here; expected ${takesPlan ? 'application/yaml or ' : ''}application/json`,
    ),
  );
}

const foreign = (header: string): HighwaterError =>
  new HighwaterError(
    httpCodes.foreignHost,
    'never',
    `the ${header} header names another site; this service answers its own names only`,
    { header },
    'HIGHWATER_ALLOWED_HOSTS adds names',
  );
