import type { HighwaterError } from '@highwater/kernel';
import { httpCodes } from './codes.js';

/** HTTP status of each code that has one of its own. Anything else: by block and by whether it may be tried again. */
const statuses: Readonly<Record<string, number>> = {
  [httpCodes.noRoute]: 404,
  [httpCodes.badRequest]: 400,
  [httpCodes.mediaType]: 415,
  [httpCodes.tooLarge]: 413,
  [httpCodes.noGeneration]: 428,
  [httpCodes.foreignHost]: 403,
  [httpCodes.noOperation]: 404,
  [httpCodes.tooManyStreams]: 503,
  HW6002: 422,
  HW6004: 500,
  HW6006: 500,
  HW6010: 404,
  HW6011: 422,
  HW6012: 412,
  HW6013: 409,
  HW6014: 409,
  HW6015: 400,
  HW6016: 503,
  HW6017: 409,
  HW6018: 422,
  HW6019: 409,
  HW6020: 400,
  HW6021: 409,
  HW6022: 422,
  HW6023: 400,
  HW5093: 409,
  HW5095: 409,
  HW3101: 503,
  HW9002: 503,
};

/** Plan (1) and preflight (2) are about what the caller sent; the rest is ours or the servers'. */
export function statusOf(error: Pick<HighwaterError, 'code' | 'retry'>): number {
  const own = statuses[error.code];
  if (own !== undefined) return own;
  if (/^HW[12]/.test(error.code)) return 422;
  return error.retry === 'never' ? 500 : 503;
}

/** Short human summary of the kind of problem: the same for every occurrence of a status (RFC 9457, section 3.1.3). */
export const titles: Readonly<Record<number, string>> = {
  400: 'Bad request',
  403: 'Refused',
  404: 'Not found',
  409: 'Conflict',
  412: 'Readiness moved on',
  413: 'Too large',
  415: 'Media type not taken',
  422: 'Refused as asked',
  428: 'Precondition required',
  500: 'Unexpected failure',
  503: 'Not available now',
};
