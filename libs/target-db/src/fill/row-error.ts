import type { UnfillableReason } from '@highwater/kernel';
import { isConnectionLoss } from '../session/errors.js';
import { isSqlstate, sqlstate, sqlstateOf } from '../session/sqlstate.js';

/** Why the server refused to write one row. Never DETAIL: it carries values. */
export interface RowRefusal {
  readonly reason: UnfillableReason;
  readonly sqlstate: string | null;
  readonly constraint: string | null;
}

/** A trigger let the write pass and made something else of it: NULL of a value, another row of an entity. Only rows named by a key can be found again after that. */
export class WriteTakenBack extends Error {}

/** Errors that a lock or a budget caused: the same rows may pass a moment later, or in a smaller chunk. */
export const isTransient = (error: unknown): boolean =>
  !isConnectionLoss(error) &&
  isSqlstate(
    error,
    sqlstate.lockNotAvailable,
    sqlstate.queryCanceled,
    sqlstate.serializationFailure,
    sqlstate.deadlockDetected,
  );

/**
 * The refusal when one row's data or the user's own code caused the error: class 22 (data), 23 (constraint), 38 and 39 (external
 * routine), 44 (check option), P0 (raised), and the classes that are nobody's but the user's. Undefined for everything that would hit any row alike: privileges, names, connection.
 */
export function rowRefusal(error: unknown): RowRefusal | undefined {
  if (error instanceof WriteTakenBack) return { reason: 'WriteSuppressed', sqlstate: null, constraint: null };
  const state = sqlstateOf(error);
  if (state === undefined || isConnectionLoss(error)) return undefined;
  const constraint = constraintOf(error);
  const refused = (reason: UnfillableReason): RowRefusal => ({ reason, sqlstate: state, constraint });
  if (state === sqlstate.uniqueViolation || state === sqlstate.exclusionViolation) return refused('UniqueConflict');
  if (state === sqlstate.foreignKeyViolation) return refused('ReferentMissing');
  if (state.startsWith('22') || state.startsWith('23') || state.startsWith('44')) return refused('CheckViolation');
  if (state.startsWith('P0') || state.startsWith('38') || state.startsWith('39') || usersOwn.test(state))
    return refused('TriggerRaised');
  return undefined;
}

/** Classes that the standard leaves to implementations, without PostgreSQL's own: `raise … using errcode = 'MY001'`. */
const usersOwn = /^(?!P0|XX|58|57|55|54|53|72)[5-9I-Z]/;

function constraintOf(error: unknown): string | null {
  const name = (error as { constraint?: unknown }).constraint;
  return typeof name === 'string' ? name : null;
}
