import type { ArgumentsHost } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { HighwaterError } from '@highwater/kernel';
import { notEvaluated } from '@highwater/roles';
import { createLogger } from '@highwater/telemetry';
import { ProblemFilter } from './problem.filter.js';

/** What the service's log says of a request that ended so, and the status of its answer. */
function answered(thrown: unknown): { level: string; msg: string; status: number } {
  const lines: string[] = [];
  const logger = createLogger({ name: 'spec', level: 'debug', destination: { write: (line) => lines.push(line) } });
  let status = 0;
  const response = { headersSent: false, setHeader: () => response, type: () => response, send: () => response } as {
    status?: (code: number) => unknown;
    [name: string]: unknown;
  };
  response.status = (code) => ((status = code), response);
  const http = { getRequest: () => ({ method: 'GET', path: '/migrations/m' }), getResponse: () => response };
  new ProblemFilter(logger).catch(thrown, { switchToHttp: () => http } as unknown as ArgumentsHost);
  expect(lines).toHaveLength(1);
  const { level, msg } = JSON.parse(lines[0] ?? '') as { level: string; msg: string };
  return { level, msg, status };
}

describe('the log of what was answered', () => {
  it('takes a migration that was not evaluated yet for what it is: the caller asks again', () => {
    expect(answered(notEvaluated('m', undefined))).toEqual({
      level: 'debug',
      msg: 'asked before the first evaluation',
      status: 503,
    });
  });

  it('warns when evaluations stopped coming', () => {
    expect(answered(notEvaluated('m', 40_000))).toEqual({
      level: 'warn',
      msg: 'migration "m" was last evaluated 40 s ago; no control process evaluates it',
      status: 503,
    });
  });

  it('keeps errors for what failed', () => {
    expect(answered(new Error('x'))).toMatchObject({ level: 'error', status: 500 });
    expect(answered(new HighwaterError('HW9002', 'backoff', 'unreachable'))).toMatchObject({
      level: 'error',
      status: 503,
    });
    expect(answered(new HighwaterError('HW6010', 'never', 'unknown'))).toMatchObject({ level: 'debug', status: 404 });
  });
});
