import { hasKey, type CompiledDerivation } from '@highwater/derivation';
import type { KeyText } from './verify-range.js';

/** Blocks `from` to below `to`, in which a page of a table without a key lies. */
export interface BlockWindow {
  readonly from: number;
  readonly to: number;
}

/** Fewer than most tables have in a block: a page of wide rows is small, one of narrow ones a few times too large. */
const rowsPerBlock = 32;
/** Above every offset that a row can have in its block. */
const offsetMax = 65_535;

/** Where a page of about `rows` rows after the cursor lies. One row is looked for in one block. */
export function windowAfter(cursor: KeyText | null, rows: number): BlockWindow {
  const from = cursor === null ? 0 : firstBlockAfter(cursor);
  return { from, to: from + Math.max(1, Math.ceil(rows / rowsPerBlock)) };
}

/** The cursor behind a window that was looked at whole; null: the table, which has so many blocks, ends in it. */
export const behind = ({ to }: BlockWindow, blocks: number): KeyText | null =>
  to >= blocks ? null : [`(${to - 1},${offsetMax})`];

/** How the next rows of a table are asked for: after the cursor, in the window where there is one, `limit` rows at most (null: all of the window). */
export interface PageToRead {
  readonly window: BlockWindow | undefined;
  readonly limit: number | null;
}

/**
 * The page of `rows` rows after the cursor, or of about as many: no index gives the rows of a table without a key in an order, so that a page with a
 * limit alone would read and sort all that follows it. Its page is a window of blocks, each read once.
 */
export function pageAfter({ key }: Pick<CompiledDerivation, 'key'>, cursor: KeyText | null, rows: number): PageToRead {
  const window = hasKey({ key }) ? undefined : windowAfter(cursor, rows);
  return { window, limit: window && rows > 1 ? null : rows };
}

/**
 * Where to go on behind a page that was asked for with `rows` rows, had `seen` and ended with `last`; null: the table ends there.
 *
 * @param blocks of the table, where it has no key
 * @returns with `looked`, the rows that the page was meant to have where it was whole: what the size of the next one follows.
 */
export function pageRead(
  { window }: PageToRead,
  rows: number,
  {
    seen,
    last,
    blocks,
  }: { readonly seen: number; readonly last: KeyText | null; readonly blocks?: string | undefined },
): { readonly cursor: KeyText | null; readonly looked: number } {
  if (!window) return { looked: seen, cursor: seen < rows ? null : last };
  // one row alone: others may follow it in its block
  const alone = rows === 1 && last !== null;
  return { looked: rows, cursor: alone ? last : behind(window, Number(blocks ?? 0)) };
}

function firstBlockAfter(cursor: KeyText): number {
  const [, block, offset] = /^\((\d+),(\d+)\)$/.exec(cursor[0] ?? '') ?? [];
  if (block === undefined) throw new Error('invariant broken: the cursor of a table without a key is no place in it');
  return Number(offset) === offsetMax ? Number(block) + 1 : Number(block);
}
