import { describe, expect, it } from 'vitest';
import { nextPageRows, smallerPageRows } from './page-size.js';

describe('rows of a page', () => {
  it.each([
    ['doubles while it is fast', 1_000, 1_000, 10, 2_000],
    ['stays within its bound', 50_000, 50_000, 10, 50_000],
    ['fits the time', 1_000, 1_000, 800, 1_250],
    ['halves at most after a slow page', 1_000, 1_000, 60_000, 500],
    ['does not judge by a page that was not full', 1_000, 3, 1, 1_000],
    ['is never empty', 1, 1, 60_000, 1],
  ])('%s', (_what, current, checked, tookMs, expected) => {
    expect(nextPageRows(current, checked, tookMs)).toBe(expected);
  });

  it('comes down to one row within a few failures', () => {
    let rows = 50_000;
    let tries = 0;
    for (; rows > 1; tries += 1) rows = smallerPageRows(rows);
    expect(tries).toBeLessThanOrEqual(6);
  });
});
