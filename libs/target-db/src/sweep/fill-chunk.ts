import type { Access } from '../session/database.js';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import { orRollBack } from '../fill/transaction.js';
import { TimeHeldSpent } from '../fill/time-held.js';
import type { FillTarget } from '../target.js';
import type { ChunkOutcome, ChunkRequest } from './chunk.js';
import type { RangeLease } from './lease.js';
import { lockFirst } from './lock-first.js';
import { oneSnapshot, Vain } from './one-snapshot-chunk.js';

export type { ChunkOutcome, ChunkRequest } from './chunk.js';

/** Below this size a chunk that is still too slow is decided row by row, so that the cursor moves. */
const carefulBelowRows = 16;

/**
 * One chunk: gate, range row with the fencing token, rows written, cursor moved, all one commit. Rows that the server refuses are singled out and
 * listed; the cursor moves past them and past rows held by others, which the tail pass owns.
 *
 *   one snapshot ──passed──▶ done
 *        │ a row changed meanwhile or is held, or the server refuses one
 *        ▼
 *   lock first ──passed──▶ done          too slow ──▶ `slow`: fewer rows, or, when they are few already:
 *        │ the server refuses a row        ▼
 *        └──────────────▶ row by row ──the time held is spent──▶ one single row
 */
export async function fillChunk(
  fill: Access,
  target: FillTarget,
  lease: RangeLease,
  request: ChunkRequest,
): Promise<ChunkOutcome> {
  const of = (rows: 'all' | 'one by one' | 'one'): Promise<ChunkOutcome> =>
    fill.session('filling a chunk', (client) =>
      orRollBack(client, () => lockFirst(client, target, lease, request, rows)),
    );
  let inVain = false;
  if (request.shape === 'oneSnapshot') {
    const outcome = await fill.session('filling a chunk', (client) => oneSnapshot(client, target, lease, request));
    if (!(outcome instanceof Vain)) return outcome;
    if (outcome.slow && !isSmall(lease, request)) return { kind: 'slow' };
    inVain = true;
  }
  const marked = (outcome: ChunkOutcome): ChunkOutcome =>
    outcome.kind === 'written' ? { ...outcome, inVain } : outcome;
  try {
    return marked(await of('all'));
  } catch (error) {
    const refused = rowRefusal(error) !== undefined;
    const slow = isTransient(error) || error instanceof TimeHeldSpent;
    if (!refused && !slow) throw error;
    if (!refused && !isSmall(lease, request)) return { kind: 'slow' };
  }
  try {
    return marked(await of('one by one'));
  } catch (error) {
    if (!isTransient(error) && !(error instanceof TimeHeldSpent)) throw error;
  }
  try {
    return marked(await of('one'));
  } catch (error) {
    if (isTransient(error) || error instanceof TimeHeldSpent) return { kind: 'slow' };
    throw error;
  }
}

/** Fewer rows would not make it smaller. */
const isSmall = (lease: RangeLease, request: ChunkRequest): boolean =>
  request.rows <= (lease.blocks ? Math.max(carefulBelowRows, lease.blocks.rowsPerBlock) : carefulBelowRows);
