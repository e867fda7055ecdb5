import { isHighwaterError } from '@highwater/kernel';
import { controlCodes } from '@highwater/roles';
import { httpCodes } from './codes.js';
import type { Problem } from './problem.js';

interface Logged {
  readonly level: 'debug' | 'warn' | 'error';
  readonly message: string;
}

/** How loudly an answer is logged: an error is what the service owed and could not do, not what a caller has to wait for. Pure. */
export function logged(problem: Problem, thrown: unknown): Logged {
  if (problem.status < 500) return { level: 'debug', message: 'request refused' };
  if (problem.code === controlCodes.notEvaluated)
    return isHighwaterError(thrown) && thrown.context['evaluatedSecondsAgo'] === null
      ? { level: 'debug', message: 'asked before the first evaluation' }
      : { level: 'warn', message: `${problem.detail}; no control process evaluates it` };
  if (problem.code === httpCodes.tooManyStreams) return { level: 'warn', message: problem.detail };
  return { level: 'error', message: 'request failed' };
}
