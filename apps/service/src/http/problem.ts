import { HighwaterError, isHighwaterError } from '@highwater/kernel';
import { issueToJson } from '@highwater/plan';
import { NotReady, PlanRejected } from '@highwater/roles';
import { httpCodes } from './codes.js';
import { statusOf, titles } from './statuses.js';

/** RFC 9457 with our extensions. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  /** Of this occurrence; the log carries it too. */
  readonly instance: string;
  readonly code: string;
  readonly help?: string;
  readonly [extension: string]: unknown;
}

/** One place that cannot be used in a request. */
export interface RequestIssue {
  readonly path: string;
  readonly message: string;
}

/** A request that does not have the shape it must have. */
export class BadRequest extends HighwaterError {
  constructor(readonly issues: readonly RequestIssue[]) {
    super(
      httpCodes.badRequest,
      'never',
      `request refused: ${issues.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')}`,
    );
  }
}

/** Anything thrown → what the caller is told. Only typed errors are told in words; everything else stays in the log. */
export function problemOf(thrown: unknown, instance: string): Problem {
  const error = typed(thrown);
  const status = statusOf(error);
  return {
    type: `docs/errors.md#${error.code.toLowerCase()}`,
    title: titles[status] ?? 'Error',
    status,
    detail: error.message,
    instance,
    code: error.code,
    ...(error.help === undefined ? {} : { help: error.help }),
    ...extensions(error),
  };
}

function extensions(error: HighwaterError): Readonly<Record<string, unknown>> {
  if (error instanceof NotReady) {
    const { migration, generation, evaluatedAt, conditions } = error.readiness;
    return { migration, generation, evaluatedAt, conditions };
  }
  if (error instanceof PlanRejected) {
    return {
      issues: error.issues.map((issue) => issueToJson(issue, 'plan.yaml')),
      text: error.text('plan.yaml'),
    };
  }
  if (error instanceof BadRequest) return { issues: error.issues };
  return Object.keys(error.context).length === 0 ? {} : { context: error.context };
}

function typed(thrown: unknown): HighwaterError {
  if (isHighwaterError(thrown)) return thrown;
  switch (httpStatusOf(thrown)) {
    case 404:
      return new HighwaterError(
        httpCodes.noRoute,
        'never',
        'no such address or method',
        {},
        'GET /openapi.json lists what there is',
      );
    case 413:
      return new HighwaterError(httpCodes.tooLarge, 'never', 'the body is too large; expected at most 64 KiB');
    case 415:
      return new HighwaterError(
        httpCodes.mediaType,
        'never',
        'the body has a charset or encoding that is not taken; expected UTF-8',
      );
    case 400:
      return new BadRequest([{ path: '', message: 'the request could not be read; expected well-formed JSON' }]);
    default:
      return new HighwaterError(
        httpCodes.unexpected,
        'never',
        'unexpected failure; the log of the service has it under this instance',
      );
  }
}

/** Status that Nest or its body parsers gave to an error of theirs. */
function httpStatusOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined;
  if ('getStatus' in thrown && typeof thrown.getStatus === 'function') return Number(thrown.getStatus());
  return 'status' in thrown && typeof thrown.status === 'number' ? thrown.status : undefined;
}
