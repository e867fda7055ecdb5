import { HighwaterError, isHighwaterError, messageOf, type ErrorCode, type Retry } from '@highwater/kernel';
import { sessionCodes as codes } from './codes.js';
import { isSqlstate, sqlstate, sqlstateOf } from './sqlstate.js';

const socketCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'EAI_AGAIN',
]);

/** True when the connection died under a statement: what the server did with it is unknown. */
export function isConnectionLoss(error: unknown): boolean {
  if (isSqlstate(error, sqlstate.adminShutdown, sqlstate.crashShutdown, sqlstate.cannotConnectNow)) return true;
  const code =
    typeof error === 'object' && error !== null && 'code' in error ? String((error as { code: unknown }).code) : '';
  if (socketCodes.has(code) || code.startsWith('08')) return true;
  // the last one, alone, is what the driver says of a server that took the connection and did not greet in time
  return /connection terminated|connection ended|not queryable|client has encountered a connection error|^timeout expired$/i.test(
    messageOf(error),
  );
}

/**
 * Driver error → typed error. DETAIL, WHERE and parameters carry row values and are dropped here; the primary message of the
 * classes below names objects only.
 */
export function databaseError(error: unknown, doing: string): HighwaterError {
  if (isHighwaterError(error)) return error;
  const state = sqlstateOf(error);
  const text = safeMessage(error, state);
  const make = (code: ErrorCode, retry: Retry, message: string, help?: string): HighwaterError =>
    new HighwaterError(code, retry, message, { doing, sqlstate: state ?? null }, help);
  if (state === sqlstate.invalidCatalogName)
    return make(
      codes.noDatabase,
      'never',
      `${doing}: ${text}`,
      'check the database name in the URL, or create the database',
    );
  if (state === sqlstate.invalidPassword || state === sqlstate.invalidAuthorization)
    return make(codes.notAccepted, 'never', `${doing}: ${text}`, 'check user and password in the URL, or pg_hba.conf');
  if (state === sqlstate.insufficientPrivilege)
    return make(
      codes.noPrivilege,
      'never',
      `${doing}: ${text}`,
      'run the statements that `highwater init --print-grants` prints',
    );
  // pg-pool's own words when nobody gave a connection back in time; the server was not asked
  if (state === sqlstate.tooManyConnections || text === 'timeout exceeded when trying to connect')
    return make(codes.noConnectionFree, 'backoff', `${doing}: ${text}`, 'free connections or raise max_connections');
  if (state === sqlstate.lockNotAvailable || state === sqlstate.queryCanceled)
    return make(codes.notInTime, 'backoff', `${doing}: ${text}`);
  if (state === sqlstate.serializationFailure || state === sqlstate.deadlockDetected)
    return make(codes.conflict, 'backoff', `${doing}: ${text}`);
  if (state === sqlstate.diskFull || state === sqlstate.readOnlySqlTransaction)
    return make(codes.noWrites, 'backoff', `${doing}: ${text}`, 'the server refuses writes; see its log');
  if (isConnectionLoss(error))
    return make(
      codes.unreachable,
      'reconcile',
      `${doing}: ${text}`,
      'check that the server is up and the host, port and TLS settings are right',
    );
  return make(codes.refused, 'never', `${doing}: ${text}${state ? ` (SQLSTATE ${state})` : ''}`);
}

/** Messages of data exceptions (class 22) and of user code (P0001) may quote a value; every other class names objects only. */
function safeMessage(error: unknown, state: string | undefined): string {
  if (state !== undefined && (state.startsWith('22') || state.startsWith('P0')))
    return `refused by the server with SQLSTATE ${state}`;
  return messageOf(error) || 'connection failed';
}
