import { describe, expect, it } from 'vitest';
import { nextLineMs } from './cadence.js';

describe('cadence of status lines', () => {
  it.each([
    ['in the first minute', 59_000, null, 1_000],
    ['after it', 60_000, null, 5_000],
    ['after ten minutes', 600_000, 3_600_000, 30_000],
    ['in the last minute', 600_000, 59_000, 1_000],
  ])('%s', (_when, elapsed, eta, expected) => {
    expect(nextLineMs(elapsed, eta)).toBe(expected);
  });
});
