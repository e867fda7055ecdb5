import pg from 'pg';
import type { FillTarget } from '../target.js';

/** `sweep`: closed by pause and halt. `live`: closed by halt alone. */
export type GateName = 'sweep' | 'live';

/** Object of the advisory lock, beside the migration's class. */
export const gateObject: Readonly<Record<GateName, number>> = { sweep: 1, live: 2 };

/** Class of the advisory lock: the migration's 8 hex digits read as a signed int32. */
export const gateClass = (short: string): number => Number.parseInt(short, 16) | 0;

/**
 * The two statements every writing transaction begins with: the shared lock, then, on a snapshot taken after it, the gate's row.
 * Whoever closed the gate before we got the lock is seen; whoever closes it afterwards waits for our COMMIT.
 */
export function gateStatements(target: Pick<FillTarget, 'short' | 'migrationId'>, gate: GateName): [string, string] {
  return [
    `select pg_catalog.pg_advisory_xact_lock_shared(${gateClass(target.short)}, ${gateObject[gate]})`,
    gateIsOpen(target, gate),
  ];
}

/*
 * The same for a transaction on one snapshot (REPEATABLE READ): the session takes the lock before BEGIN and gives it back after COMMIT, and the gate's row
 * is read on the transaction's snapshot, which is younger than the lock.
 */
export const enterGateBeforeSnapshot = (target: Pick<FillTarget, 'short'>, gate: GateName): string =>
  `select pg_catalog.pg_advisory_lock_shared(${gateClass(target.short)}, ${gateObject[gate]})`;

export const leaveGate = (target: Pick<FillTarget, 'short'>, gate: GateName): string =>
  `select pg_catalog.pg_advisory_unlock_shared(${gateClass(target.short)}, ${gateObject[gate]})`;

export const gateIsOpen = (target: Pick<FillTarget, 'migrationId'>, gate: GateName): string =>
  `select ${gate}_open as open from highwater.gate where migration_id = ${pg.escapeLiteral(target.migrationId)}`;
