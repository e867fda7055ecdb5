import { HighwaterError, isHighwaterError, messageOf } from '@highwater/kernel';
import { QueryFailedError } from 'typeorm';
import { appendUnknown, logRefused, logUnavailable } from './codes.js';

const uniqueViolation = '23505';
/** Refused for a moment: lock_not_available, query_canceled, deadlock, serialization, too many connections, no space, read only. */
const momentary = new Set(['55P03', '57014', '40P01', '40001', '53300', '53100', '25006']);
/** The server ended the session or does not take new ones: 57P01, 57P02, 57P03. */
const sessionEnded = new Set(['57P01', '57P02', '57P03']);

const driverError = (error: unknown): { code?: unknown } =>
  (error instanceof QueryFailedError ? error.driverError : error) as { code?: unknown };

const sqlstateOf = (error: unknown): string | undefined => {
  const code = driverError(error)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
};

export const isUniqueViolation = (error: unknown): boolean => sqlstateOf(error) === uniqueViolation;

/**
 * Driver error → typed error. `writing`: when the connection ends under a write, nobody knows what the server did. The server's text is
 * left out except where it names objects only; DETAIL never gets here.
 */
export function logError(error: unknown, doing: string, writing = false): HighwaterError {
  if (isHighwaterError(error)) return error;
  const state = sqlstateOf(error);
  const context = { doing, sqlstate: state ?? null };
  if (state !== undefined && !sessionEnded.has(state) && !state.startsWith('08')) {
    if (momentary.has(state)) {
      return new HighwaterError(
        logUnavailable,
        'backoff',
        `event log: ${doing} was not done in time (SQLSTATE ${state})`,
        context,
      );
    }
    const help = 'run `highwater init`, or the statements that `highwater init --print-grants` prints';
    return new HighwaterError(
      logRefused,
      'never',
      `event log: ${doing} was refused (SQLSTATE ${state})`,
      context,
      help,
    );
  }
  const why = `event log: ${doing} failed: ${messageOf(driverError(error)) || 'connection failed'}`;
  if (writing)
    return new HighwaterError(appendUnknown, 'reconcile', `${why}; whether it was stored is not known`, context);
  return new HighwaterError(
    logUnavailable,
    'backoff',
    why,
    context,
    'check that the server is up and its URL and TLS settings are right',
  );
}
