import { describe, expect, it } from 'vitest';
import { placeOfRow } from '@highwater/derivation';
import { behind, pageAfter, pageRead, windowAfter } from './block-window.js';

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

describe('a page', () => {
  const keyed = { key: [{ ...placeOfRow, name: 'id' }] };
  const keyless = { key: [placeOfRow] };

  it('is so many rows behind a key, and the last one has fewer', () => {
    const page = pageAfter(keyed, ['7'], 100);
    expect(page).toEqual({ window: undefined, limit: 100 });
    expect(pageRead(page, 100, { seen: 100, last: ['107'] })).toEqual({ looked: 100, cursor: ['107'] });
    expect(pageRead(page, 100, { seen: 3, last: ['10'] })).toEqual({ looked: 3, cursor: null });
  });

  it('of a table without a key is all rows of a window, however many they are', () => {
    const page = pageAfter(keyless, null, 100);
    expect(page).toEqual({ window: { from: 0, to: 4 }, limit: null });
    const on = { looked: 100, cursor: ['(3,65535)'] };
    expect(pageRead(page, 100, { seen: 900, last: ['(3,7)'], blocks: '5' })).toEqual(on);
    expect(pageRead(page, 100, { seen: 0, last: null, blocks: '5' })).toEqual(on);
    expect(pageRead(page, 100, { seen: 900, last: ['(3,7)'], blocks: '4' })).toEqual({ looked: 100, cursor: null });
  });

  it('of one row ends behind that row, and behind the block where it has none', () => {
    const page = pageAfter(keyless, ['(2,9)'], 1);
    expect(page).toEqual({ window: { from: 2, to: 3 }, limit: 1 });
    expect(pageRead(page, 1, { seen: 1, last: ['(2,11)'], blocks: '3' }).cursor).toEqual(['(2,11)']);
    expect(pageRead(page, 1, { seen: 0, last: null, blocks: '4' }).cursor).toEqual(['(2,65535)']);
    expect(pageRead(page, 1, { seen: 0, last: null, blocks: '3' }).cursor).toBeNull();
  });
});
