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

function firstBlockAfter(cursor: KeyText): number {
  const [, block, offset] = /^\((\d+),(\d+)\)$/.exec(cursor[0] ?? '') ?? [];
  if (block === undefined) throw new Error('invariant broken: the cursor of a table without a key is no place in it');
  return Number(offset) === offsetMax ? Number(block) + 1 : Number(block);
}
