import { describe, expect, it } from 'vitest';
import { behind, windowAfter } from './block-window.js';

describe('pages of a table without a key', () => {
  it('lie behind each other, and the last one ends with the table', () => {
    const seen: number[][] = [];
    for (let cursor: readonly string[] | null = null; ;) {
      const window = windowAfter(cursor, 100);
      seen.push([window.from, window.to]);
      cursor = behind(window, 11);
      if (cursor === null) break;
    }
    expect(seen).toEqual([
      [0, 4],
      [4, 8],
      [8, 12],
    ]);
  });

  it('begin in the block of the row that was looked at alone, in which others may follow', () => {
    expect(windowAfter(['(7,3)'], 1)).toEqual({ from: 7, to: 8 });
    expect(windowAfter(['(7,3)'], 33)).toEqual({ from: 7, to: 9 });
    expect(behind({ from: 7, to: 8 }, 9)).toEqual(['(7,65535)']);
    expect(windowAfter(['(7,65535)'], 1)).toEqual({ from: 8, to: 9 });
  });

  it('end at once where the table is empty', () => {
    expect(behind(windowAfter(null, 1_000), 0)).toBeNull();
  });
});
