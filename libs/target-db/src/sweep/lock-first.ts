import type { Client } from '../session/database.js';
import { bisect } from '../fill/bisect.js';
import { lockChunk } from '../fill/statements.js';
import { TimeHeld, TimeHeldSpent } from '../fill/time-held.js';
import { openFill } from '../fill/transaction.js';
import { listUnfillable } from '../fill/unfillable.js';
import { lockedRows, writeRows } from '../fill/write-rows.js';
import type { FillTarget } from '../target.js';
import { chunkAt, type ChunkOutcome, type ChunkRequest, type RangeRow } from './chunk.js';
import { lockRange, moveCursor, type RangeLease } from './lease.js';
import { placeConditions } from './place.js';

/**
 * The chunk in READ COMMITTED: rows locked in key order, those that somebody holds skipped, then written on the next statement's snapshot.
 *
 * @param which `one by one`: rows that the server refuses are singled out, as far as the time goes; `one`: the first row alone, so that the cursor
 *   moves whatever it costs to write it.
 */
export async function lockFirst(
  client: Client,
  target: FillTarget,
  lease: RangeLease,
  request: ChunkRequest,
  which: 'all' | 'one by one' | 'one',
): Promise<ChunkOutcome> {
  const opened = await openFill(client, target, 'sweep', request.budget, [lockRange(lease)]);
  if (!opened) return { kind: 'gateClosed' };
  const range = opened[0]?.rows[0] as RangeRow | undefined;
  if (!range) {
    await client.query('rollback');
    return { kind: 'leaseLost' };
  }
  const chunk = await chunkAt(client, target, lease, range, request);
  const { conditions, values } = placeConditions(target, chunk.place);
  const naming = which === 'all' ? request.naming : 'key';
  const held = new TimeHeld(request.budget.rowBudgetMs);
  const locked = await client.query(lockChunk(target, conditions, naming, which === 'one' ? 1 : undefined), [
    ...values,
  ]);
  const rows = lockedRows(target, naming, locked.rows[0] as Record<string, unknown> | undefined);

  let [cursor, contended] = [chunk.next, 0];
  let partly = false;
  let written;
  if (which !== 'all' && rows.naming === 'key') {
    const result = await bisect(client, target, rows.keys, held);
    written = result;
    contended = result.contended.length;
    const lastKey = rows.keys[result.decided - 1];
    if (rows.count > 0 && !lastKey) throw new TimeHeldSpent();
    if (lastKey && (which === 'one' || result.decided < rows.count)) {
      // out of time: what is decided is kept, the next chunk goes on behind it
      cursor = chunk.cursorAt(lastKey);
      partly = true;
    }
  } else {
    await held.bound(client);
    written = await writeRows(client, target, rows);
  }
  // a row without a value is still there in the last round; it is listed once
  const unfilled = chunk.last ? written.unfilled : written.unfilled.filter((row) => row.sqlstate !== null);
  await held.bound(client);
  await listUnfillable(client, target, unfilled);
  await request.onChunkWritten?.();
  const done = cursor === null;
  const scanned = partly ? rows.count : done && !lease.blocks ? Math.min(chunk.rows, rows.count) : chunk.rows;
  const counts = { scanned, filled: written.filled, unfillable: unfilled.length, contended };
  await client.query(`${moveCursor(lease, { cursor, ...counts })}; commit`);
  return { kind: 'written', ...counts, done, heldMs: held.ms, inVain: false };
}
