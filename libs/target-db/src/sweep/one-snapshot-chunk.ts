import type { UnfillableReason } from '@highwater/kernel';
import type pg from 'pg';
import type { Client } from '../session/database.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { enterGateBeforeSnapshot, gateIsOpen, leaveGate } from '../gate/enter-gate.js';
import { fillJoined, fillSupposed, leftInPlace } from '../fill/one-snapshot.js';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import { statementMs, TimeHeld, TimeHeldSpent } from '../fill/time-held.js';
import { listUnfillable } from '../fill/unfillable.js';
import type { UnfilledRow } from '../fill/write-rows.js';
import type { FillTarget } from '../target.js';
import { chunkAt, type ChunkOutcome, type ChunkRequest, type RangeRow } from './chunk.js';
import { lockRange, moveCursor, type RangeLease } from './lease.js';
import { placeConditions } from './place.js';

/** A row that somebody holds is not waited for: whoever waits for us meanwhile would be the victim of a deadlock. */
const lockTimeoutMs = 20;

/** Nothing was written: a row changed since the snapshot or is held, one is refused or has no value, or the time is up (`slow`). */
export class Vain {
  constructor(readonly slow: boolean) {}
}

/**
 * The chunk as one UPDATE on one snapshot: REPEATABLE READ, so that a row changed since then raises 40001 and everything here (gate, range, rule, what is left) is
 * judged by one state of the database. The gate's lock is the session's own and taken before BEGIN: inside the transaction the statement that waits
 * for it would have taken the snapshot already, and would read a gate that was closed meanwhile as open.
 */
export async function oneSnapshot(
  client: Client,
  target: FillTarget,
  lease: RangeLease,
  request: ChunkRequest,
): Promise<ChunkOutcome | Vain> {
  const joined = target.derivation.join !== undefined && lease.blocks !== undefined;
  if (!joined && request.bridged === true) return new Vain(false);
  try {
    await client.query(enterGateBeforeSnapshot(target, 'sweep'));
    const outcome = await chunkOnce(client, target, lease, request, joined);
    if (outcome instanceof Vain || outcome.kind !== 'written')
      await client.query(`rollback; ${leaveGate(target, 'sweep')}`);
    return outcome;
  } catch (error) {
    const vain = isTransient(error) || rowRefusal(error) !== undefined || error instanceof TimeHeldSpent;
    if (!vain) throw error; // the session ends, and with it its lock
    await client.query('rollback');
    await client.query(leaveGate(target, 'sweep'));
    return new Vain(error instanceof TimeHeldSpent || isSqlstate(error, sqlstate.queryCanceled));
  }
}

async function chunkOnce(
  client: Client,
  target: FillTarget,
  lease: RangeLease,
  request: ChunkRequest,
  joined: boolean,
): Promise<ChunkOutcome | Vain> {
  const { budget, naming } = request;
  const begin = [
    'begin isolation level repeatable read',
    `set local lock_timeout = ${lockTimeoutMs}`,
    `set local statement_timeout = ${statementMs(budget.rowBudgetMs)}`,
    // a range of keys is reached by its index only; blocks are read as they lie, and hashing the parents may be cheaper than looking each up
    ...(lease.blocks ? [] : ['set local enable_seqscan = off', 'set local enable_mergejoin = off']),
    'set local jit = off',
    'set local synchronous_commit = off',
  ];
  const text = [...begin, gateIsOpen(target, 'sweep'), lockRange(lease)].join('; ');
  const results = ((await client.query(text)) as unknown as pg.QueryResult[]).slice(begin.length);
  if ((results[0]?.rows[0] as { open?: boolean } | undefined)?.open !== true) return { kind: 'gateClosed' };
  const range = results[1]?.rows[0] as RangeRow | undefined;
  if (!range) return { kind: 'leaseLost' };
  const chunk = await chunkAt(client, target, lease, range, request);
  const { conditions, values } = placeConditions(target, chunk.place);

  const held = new TimeHeld(budget.rowBudgetMs);
  let filled: number;
  if (joined) filled = (await client.query(fillJoined(target, naming, conditions), [...values])).rowCount ?? 0;
  else {
    const { rows } = await client.query<{ written: number; still: number }>(fillSupposed(target, naming, conditions), [
      ...values,
    ]);
    if ((rows[0]?.still ?? 0) > 0) return new Vain(false);
    filled = rows[0]?.written ?? 0;
  }
  const unfilled = chunk.last ? await readLeft(client, target, request, held, conditions, values) : [];
  await listUnfillable(client, target, unfilled);
  await request.onChunkWritten?.();
  const done = chunk.next === null;
  const scanned = done && !lease.blocks ? Math.min(chunk.rows, filled + unfilled.length) : chunk.rows;
  const counts = { scanned, filled, unfillable: unfilled.length, contended: 0 };
  await client.query(`${moveCursor(lease, { cursor: chunk.next, ...counts })}; commit; ${leaveGate(target, 'sweep')}`);
  return { kind: 'written', ...counts, done, heldMs: held.ms, inVain: false };
}

/** What is still NULL there, by the same snapshot: rows without a value, and writes that a trigger suppressed. */
async function readLeft(
  client: Client,
  target: FillTarget,
  request: ChunkRequest,
  held: TimeHeld,
  conditions: readonly string[],
  values: readonly string[],
): Promise<UnfilledRow[]> {
  await held.bound(client);
  const { rows } = await client.query<Record<string, string | null>>(leftInPlace(target, request.naming, conditions), [
    ...values,
  ]);
  await held.bound(client);
  return rows.map((row) => ({
    key: target.derivation.key.map((_, i) => String(row[`k${i}`])),
    reason: (row['reason'] ?? 'WriteSuppressed') as UnfillableReason,
    sqlstate: null,
    constraint: null,
  }));
}
