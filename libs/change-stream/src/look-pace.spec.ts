import { expect, it } from 'vitest';
import { nextLookMs } from './look-pace.js';

it('looks at once and soon in the beginning of a session, then as often as it is asked for', () => {
  const of = (everyMs: number): number[] => Array.from({ length: 8 }, (_, looks) => nextLookMs(looks, everyMs));
  expect(of(500)).toEqual([0, 20, 40, 80, 160, 320, 500, 500]);
  expect(of(10)).toEqual([0, ...Array<number>(7).fill(10)]);
  expect(nextLookMs(1_000_000, 60_000)).toBe(60_000);
});
