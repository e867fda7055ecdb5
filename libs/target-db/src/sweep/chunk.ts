import { nextBlocks, type BlockChunk, type FillShape } from '@highwater/sweep';
import type { Client } from '../session/database.js';
import { keyLiteral } from '../fill/key-text.js';
import { chunkBound, type RangeShape, type RowNaming } from '../fill/statements.js';
import type { FillBudget } from '../fill/transaction.js';
import type { FillTarget } from '../target.js';
import type { RangeLease } from './lease.js';
import type { ChunkPlace } from './place.js';

export interface ChunkRequest {
  readonly rows: number;
  readonly budget: FillBudget;
  readonly naming: RowNaming;
  /** Count NULL rows only: a tail pass whose partial index is there. */
  readonly sparse: boolean;
  /** Which shape of the transaction is tried first; `lockFirst` when left out, and whenever the other is in vain. */
  readonly shape?: FillShape;
  /** A rule that is not given as joins is written on one snapshot only when no bridge of ours would see the NULLs supposed not to be. */
  readonly bridged?: boolean;
  /** Workers of this process: with several, rounds over the same blocks keep further apart. */
  readonly workers?: number;
  /** Test and trace hook: rows are written, the transaction is still open. */
  readonly onChunkWritten?: () => Promise<void>;
}

export type ChunkOutcome =
  | {
      readonly kind: 'written';
      /** Rows of the range, NULL or not (NULL only when sparse); an upper bound for the last chunk of a range, about so many of a range of blocks. */
      readonly scanned: number;
      readonly filled: number;
      readonly unfillable: number;
      readonly contended: number;
      readonly done: boolean;
      /** From the first row lock to COMMIT. */
      readonly heldMs: number;
      /** One snapshot was tried and failed; the chunk was done lock first. */
      readonly inVain: boolean;
    }
  /** A lock or statement timeout: nothing was written, take fewer rows. */
  | { readonly kind: 'slow' }
  | { readonly kind: 'leaseLost' }
  | { readonly kind: 'gateClosed' };

/** The range's row, as locked for this chunk. */
export interface RangeRow {
  readonly cursor: readonly string[] | null;
  readonly upper: readonly string[] | null;
}

/** The chunk at the cursor. */
export interface Chunk {
  readonly place: ChunkPlace;
  /** Rows between its bounds. */
  readonly rows: number;
  /** Text of the cursor behind it; null: the range ends with it. */
  readonly next: string | null;
  /** Text of a cursor inside it, behind this key. */
  readonly cursorAt: (key: readonly string[]) => string;
  /** Of a range of blocks: whatever is left there is taken now; earlier rounds leave rows to later ones. */
  readonly last: boolean;
}

/** @param range as its row says now. */
export async function chunkAt(
  client: Client,
  target: FillTarget,
  lease: RangeLease,
  range: RangeRow,
  request: ChunkRequest,
): Promise<Chunk> {
  if (lease.blocks) return chunkOfBlocks(nextBlocks(lease.blocks, range.cursor, request.rows, request.workers ?? 1));
  const bound = await readBound(client, target, range, request);
  const place = { walk: 'keys', after: range.cursor, upTo: bound ?? range.upper } as const;
  return { place, rows: request.rows, next: bound ? keyLiteral(bound) : null, cursorAt: keyLiteral, last: true };
}

const chunkOfBlocks = (chunk: BlockChunk): Chunk => ({
  place: { walk: 'blocks', from: chunk.from, to: chunk.to, window: chunk.window, afterKey: chunk.afterKey },
  rows: chunk.rows,
  next: chunk.next ? keyLiteral(chunk.next) : null,
  cursorAt: (key) => keyLiteral([...chunk.here, ...key]),
  last: chunk.window === undefined,
});

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
