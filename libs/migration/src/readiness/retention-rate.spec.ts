import { describe, expect, it } from 'vitest';
import type { SlotSeen } from './observations.js';
import { bytesUntilLost, retentionRate, withSample, type RetainedSample } from './retention-rate.js';

const at = (atMs: number, retainedBytes: number, leftBytes: number | null = 10_000): RetainedSample => ({
  slot: 'hw_1',
  atMs,
  retainedBytes,
  leftBytes,
});

describe('what becomes of the slot', () => {
  it.each([
    ['it grows: what is left by the growth', at(0, 1_000), at(10_000, 6_000), 10_000, 500, 20_000],
    ['time goes on after the last look', at(0, 1_000), at(10_000, 6_000), 13_000, 500, 17_000],
    ['and does not go below nothing', at(0, 1_000), at(10_000, 6_000), 99_000, 500, 0],
    ['it shrinks', at(0, 6_000), at(10_000, 1_000), 10_000, -500, null],
    ['it stays', at(0, 6_000), at(10_000, 6_000), 10_000, 0, null],
    ['nothing takes it away', at(0, 1_000, null), at(10_000, 6_000, null), 10_000, 500, null],
    ['nothing is left, whatever it does', at(0, 6_000), at(10_000, 1_000, 0), 10_000, -500, 0],
    ['nothing is left at the first look', undefined, at(10_000, 1_000, 0), 10_000, null, 0],
    ['one look says nothing of a rate', undefined, at(10_000, 6_000), 10_000, null, null],
    ['nor do two within a moment', at(9_000, 1_000), at(10_000, 6_000), 10_000, null, null],
    ['nor does another slot', { ...at(0, 1_000), slot: 'hw_0' }, at(10_000, 6_000), 10_000, null, null],
    ['no look at all', undefined, undefined, 10_000, null, null],
  ])('%s', (_what, before, latest, now, bytesPerSecond, lostInMs) => {
    expect(retentionRate(before, latest, now)).toEqual({ bytesPerSecond, lostInMs });
  });

  const slot: SlotSeen = {
    active: true,
    walStatus: 'extended',
    retainedBytes: 300,
    safeBytes: null,
    limitBytes: 1_000,
  };
  it.each([
    ['the plan drops it at its limit', slot, 'dropSlot', 700],
    ['the plan only says so', slot, 'hold', null],
    ['the server keeps less', { ...slot, safeBytes: 50 }, 'dropSlot', 50],
    ['the server alone', { ...slot, safeBytes: 50 }, 'hold', 50],
    ['beyond the limit', { ...slot, retainedBytes: 2_000 }, 'dropSlot', 0],
    ['lost already', { ...slot, walStatus: 'lost' }, 'hold', 0],
  ] as const)('%s', (_what, seen, atLimit, left) => {
    expect(bytesUntilLost(seen, atLimit)).toBe(left);
  });

  it('compares with a minute ago, and with what there is before that', () => {
    let samples: readonly RetainedSample[] = [];
    for (let n = 0; n <= 90; n += 1) samples = withSample(samples, at(n * 1_000, n));
    expect([samples[0]?.atMs, samples.at(-1)?.atMs]).toEqual([30_000, 90_000]);
    // a minute in which nobody looked
    expect(withSample(samples, at(200_000, 0)).map(({ atMs }) => atMs)).toEqual([90_000, 200_000]);
    expect(withSample(samples, { ...at(91_000, 0), slot: 'hw_2' })).toHaveLength(1);
  });
});
