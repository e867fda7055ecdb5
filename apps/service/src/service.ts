import 'reflect-metadata';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { UnhandledExceptionBus } from '@nestjs/cqrs';
import type { NestExpressApplication } from '@nestjs/platform-express';
import helmet from 'helmet';
import type { Engine, Settings } from '@highwater/roles';
import type { Logger } from '@highwater/telemetry';
import { Documents } from './documents/documents.js';
import { openApiDocument } from './documents/openapi.js';
import { Lifecycle } from './health/lifecycle.js';
import { HeldRequests } from './http/held-requests.js';
import { ProblemFilter } from './http/problem.filter.js';
import { checkHost, checkMediaType, yamlTypes } from './http/request-checks.js';
import { validation } from './http/validation.js';
import { nestLogger } from './nest-logger.js';
import { ServiceModule } from './service.module.js';

const bodyLimit = '64kb';
const requestMsMax = 90_000;

/** The HTTP application over an engine; listens on nothing yet. */
export async function buildService(
  engine: Engine,
  settings: Settings,
  logger: Logger,
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(ServiceModule.forRoot(engine, settings, logger), {
    bodyParser: false,
    abortOnError: false,
    logger: nestLogger(logger),
  });
  app.disable('x-powered-by');
  app.set('etag', false);
  app.use(helmet({ contentSecurityPolicy: { directives: { defaultSrc: ["'self'"], frameAncestors: ["'none'"] } } }));
  app.use(checkHost(settings.http), checkMediaType);
  app.useBodyParser('json', { limit: bodyLimit, strict: true });
  app.useBodyParser('text', { limit: bodyLimit, type: [...yamlTypes] });
  app.useGlobalPipes(validation());
  app.useGlobalFilters(new ProblemFilter(logger));
  await app.init();
  app.get(Documents).openApi = openApiDocument(app);
  // nothing that must happen hangs on the cqrs buses' own error path; whatever still lands there is a bug and ends the process
  app.get(UnhandledExceptionBus).subscribe((info) => {
    throw info.exception;
  });
  return app;
}

/** Listens and answers the base URL. */
export async function listen(app: NestExpressApplication, { host, port }: Settings['http']): Promise<string> {
  await app.listen(port, host);
  const server = app.getHttpServer() as Server;
  server.requestTimeout = requestMsMax;
  server.headersTimeout = 10_000;
  const address = server.address() as AddressInfo;
  return `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
}

/** Takes no new request, ends those held open, lets the rest finish. */
export async function closeService(app: NestExpressApplication): Promise<void> {
  app.get(Lifecycle).draining = true;
  app.get(HeldRequests).end();
  const server = app.getHttpServer() as Server;
  const closed = app.close();
  server.closeIdleConnections();
  await closed;
}
