import { HighwaterError } from '@highwater/kernel';
import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { fillCodes } from '../fill/codes.js';
import { gateClass, gateObject, type GateName } from './enter-gate.js';

/** A writer that froze inside its transaction is ended by its session's own idle timeout (5 s); we wait longer than that. */
const drainTriesMax = 12;

export interface GateOf {
  readonly migrationId: string;
  readonly short: string;
}

/**
 * Closes gates and returns when no write of ours that went through them can still commit: update, commit, then the lock exclusively.
 * Repeating it is harmless.
 */
export async function closeGate(state: Access, of: GateOf, gates: readonly GateName[]): Promise<void> {
  await setGate(state, of, gates, false);
  await drainGate(state, of, gates);
}

/** Returns when no write of ours that began before its gate was closed can still commit. */
export async function drainGate(state: Access, of: GateOf, gates: readonly GateName[]): Promise<void> {
  await state.session('closing the gate', async (client) => {
    for (const gate of gates) await drain(client, of, gate);
  });
}

/** Opens gates; the row is made when it is not there. */
export const openGate = (state: Access, of: GateOf, gates: readonly GateName[]): Promise<void> =>
  setGate(state, of, gates, true);

async function setGate(state: Access, of: GateOf, gates: readonly GateName[], open: boolean): Promise<void> {
  const columns = gates.map((gate) => `${gate}_open`);
  await state.query(
    `${open ? 'opening' : 'closing'} the gate`,
    `insert into highwater.gate (migration_id, ${columns.join(', ')}) values ($1, ${columns.map(() => '$2').join(', ')})
     on conflict (migration_id) do update set ${columns.map((c) => `${c} = $2`).join(', ')}, changed_at = clock_timestamp()`,
    [of.migrationId, open],
  );
}

async function drain(client: Client, of: GateOf, gate: GateName): Promise<void> {
  const lock = `${gateClass(of.short)}, ${gateObject[gate]}`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      // in one message: a controller that freezes here would otherwise keep the lock
      await client.query(`select pg_catalog.pg_advisory_lock(${lock}); select pg_catalog.pg_advisory_unlock(${lock})`);
      return;
    } catch (error) {
      if (!isSqlstate(error, sqlstate.lockNotAvailable)) throw databaseError(error, 'closing the gate');
      if (attempt >= drainTriesMax)
        throw new HighwaterError(
          fillCodes.gateNotDrained,
          'backoff',
          `gate "${gate}" of migration "${of.migrationId}" is closed, but a write that began before is still under way after ${attempt} tries`,
          { migration: of.migrationId, gate, attempts: attempt },
          'ask again; pg_locks shows the holder of the advisory lock',
          { cause: error },
        );
    }
  }
}
