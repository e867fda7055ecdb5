import { must } from '@highwater/kernel';
import type { Access, Client } from '../session/database.js';
import { bisect } from '../fill/bisect.js';
import { keyLiteral } from '../fill/key-text.js';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import { chunkBound, lockChunk, type RangeShape, type RowNaming } from '../fill/statements.js';
import { openFill, orRollBack, type FillBudget } from '../fill/transaction.js';
import { listUnfillable } from '../fill/unfillable.js';
import { lockedRows, ValueMissing, writeRows, WriteTakenBack, type UnfilledRow } from '../fill/write-rows.js';
import type { FillTarget } from '../target.js';
import { lockRange, moveCursor, type RangeLease } from './lease.js';

export interface ChunkRequest {
  readonly rows: number;
  readonly budget: FillBudget;
  readonly naming: RowNaming;
  /** Count NULL rows only: a tail pass whose partial index is there. */
  readonly sparse: boolean;
  /** Suppose that the rule has a value for every row: cheaper, and done again when one has none. Set while chunks show none without. */
  readonly supposeValues?: boolean;
  /** Test and trace hook: rows are written, the transaction is still open. */
  readonly onChunkWritten?: () => Promise<void>;
}

export type ChunkOutcome =
  | {
      readonly kind: 'written';
      /** Rows of the key range, NULL or not (NULL only when sparse); an upper bound for the last chunk of a range. */
      readonly scanned: number;
      readonly filled: number;
      readonly unfillable: number;
      readonly contended: number;
      readonly done: boolean;
      /** From the first row lock to COMMIT. */
      readonly heldMs: number;
    }
  /** A lock or statement timeout: nothing was written, take fewer rows. */
  | { readonly kind: 'slow' }
  | { readonly kind: 'leaseLost' }
  | { readonly kind: 'gateClosed' };

/** Below this size a chunk that is still too slow is decided row by row, so that the cursor moves. */
const carefulBelowRows = 16;

/**
 * One chunk: gate, range row with the fencing token, rows locked in key order, written, cursor moved, all one commit. Rows that the server refuses
 * are singled out and listed; the cursor moves past them and past rows held by others, which the tail pass owns.
 */
export async function fillChunk(
  fill: Access,
  target: FillTarget,
  lease: RangeLease,
  request: ChunkRequest,
): Promise<ChunkOutcome> {
  const attempt = (careful: boolean, suppose = false): Promise<ChunkOutcome> =>
    fill.session('filling a chunk', (client) =>
      orRollBack(client, () => chunkOnce(client, target, lease, request, careful, suppose)),
    );
  try {
    if (request.supposeValues !== true || request.naming !== 'ctid') return await attempt(false);
    return await attempt(false, true).catch((error: unknown) => {
      if (error instanceof ValueMissing) return attempt(false);
      throw error;
    });
  } catch (error) {
    const refused = rowRefusal(error) !== undefined || error instanceof WriteTakenBack;
    if (!refused && !isTransient(error)) throw error;
    if (!refused && request.rows > carefulBelowRows) return { kind: 'slow' };
  }
  try {
    return await attempt(true);
  } catch (error) {
    if (isTransient(error)) return { kind: 'slow' };
    throw error;
  }
}

interface RangeRow {
  readonly cursor: string[] | null;
  readonly upper: string[] | null;
}

async function chunkOnce(
  client: Client,
  target: FillTarget,
  lease: RangeLease,
  request: ChunkRequest,
  careful: boolean,
  suppose: boolean,
): Promise<ChunkOutcome> {
  const opened = await openFill(client, target, 'sweep', request.budget, [lockRange(lease)]);
  if (!opened) return { kind: 'gateClosed' };
  const range = opened[0]?.rows[0] as RangeRow | undefined;
  if (!range) {
    await client.query('rollback');
    return { kind: 'leaseLost' };
  }
  const bound = await readBound(client, target, range, request);
  const upper = bound ?? range.upper;
  const shape: RangeShape = { after: range.cursor !== null, upTo: upper !== null };
  const naming = careful ? 'key' : request.naming;
  const lockedAt = performance.now();
  const locked = await client.query(lockChunk(target, shape, naming), [...(range.cursor ?? []), ...(upper ?? [])]);
  const rows = lockedRows(target, naming, locked.rows[0] as Record<string, unknown> | undefined);

  let cursor = bound;
  let done = bound === undefined;
  let written: { filled: number; unfilled: readonly UnfilledRow[] };
  let contended = 0;
  if (careful && rows.naming === 'key') {
    const within = (): boolean => performance.now() - lockedAt < request.budget.rowBudgetMs / 2;
    const result = await bisect(client, target, rows.keys, within);
    written = result;
    contended = result.contended.length;
    if (result.decided < rows.count) {
      // out of time: what is decided is kept, the next chunk goes on behind it
      cursor = [...must(rows.keys[result.decided - 1], 'bisect decides at least one row')];
      done = false;
    }
  } else {
    written = await writeRows(client, target, rows, suppose);
  }
  await listUnfillable(client, target, written.unfilled);
  await request.onChunkWritten?.();
  const scanned = done
    ? Math.min(request.rows, Math.max(rows.count, 0))
    : bound && cursor === bound
      ? request.rows
      : rows.count;
  const counts = { scanned, filled: written.filled, unfillable: written.unfilled.length, contended };
  await client.query(`${moveCursor(lease, { cursor: done ? null : keyLiteral(cursor ?? []), ...counts })}; commit`);
  return { kind: 'written', ...counts, done, heldMs: performance.now() - lockedAt };
}

async function readBound(
  client: Client,
  target: FillTarget,
  range: RangeRow,
  request: ChunkRequest,
): Promise<string[] | undefined> {
  const shape: RangeShape = { after: range.cursor !== null, upTo: range.upper !== null };
  const { rows } = await client.query<Record<string, unknown>>(chunkBound(target, shape, request.sparse), [
    ...(range.cursor ?? []),
    ...(range.upper ?? []),
    request.rows - 1,
  ]);
  return rows[0] && target.derivation.key.map((_, i) => String(rows[0]?.[`k${i}`]));
}
