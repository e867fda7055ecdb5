import type { ErrorCode } from '@highwater/kernel';

/** Errors of statements on the user's tables. Each comment is the operator's page. */
export const ddlCodes = {
  /** HW5001 The lock a step needs was not obtained within its attempts; nothing was changed and the application waited no longer than the lock budget. The message names who holds it, and counts apart the attempts that were given up before the lock was asked for, behind an older transaction. Ask again when they are done, or end the session named. */
  lockNotObtained: 'HW5001',
  /** HW5002 The connection was lost while a step ran: whether the server did it is unknown. The next attempt reads the catalog first and goes on from what it finds; nothing to do. */
  outcomeUnknown: 'HW5002',
  /** HW5003 The server refused a step. The message carries the server's own text; mend the cause and ask again. */
  refused: 'HW5003',
  /** HW5010 An object with our name is there, but its comment carries another migration or definition: it was changed by hand or made by another version. It is not touched. Look at it, drop it yourself if nobody needs it, and ask again. */
  notOurs: 'HW5010',
  /** HW5011 The rule cannot be run as the bridge's owner (a missing privilege, row level security). The bridge was not installed, since it would leave every row NULL. Run the GRANT that preflight prints. */
  bridgeRuleFails: 'HW5011',
  /** HW5020 An index built concurrently ended up invalid twice. See the server's log; a unique index may have met duplicate values. */
  indexInvalid: 'HW5020',
  /** HW5022 Rows have the same key of a unique index that the plan makes. They are listed as `UniqueConflict` with the index's name; nothing is built until no two of them have the same key. Correct them: the index is then built by itself. */
  uniqueCollisions: 'HW5022',
  /** HW5021 The partial index that makes the proof cheap is missing or invalid; the guard would scan the table under its lock. Ask again: it is built first. */
  noProofIndex: 'HW5021',
  /** HW5040 A rollback meets rows that somebody holds at every look (an open transaction, a prepared one). It waits for nobody and goes on by itself; end the transaction that holds them. */
  rowsHeld: 'HW5040',
  /** HW5030 The column's type in the plan is unknown to the server, or an existing column has another type. Correct `target.type`. */
  typeUnknown: 'HW5030',
} as const satisfies Record<string, ErrorCode>;
