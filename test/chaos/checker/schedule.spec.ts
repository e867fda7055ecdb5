import { describe, expect, it } from 'vitest';
import { judgeErrors } from '../application-errors.js';
import { faultNames, schedule } from '../schedule.js';

describe('the schedule', () => {
  it('is the same for the same seed and another for another', () => {
    expect(schedule(7, 4, 50, 20)).toEqual(schedule(7, 4, 50, 20));
    expect(schedule(8, 4, 50, 20)).not.toEqual(schedule(7, 4, 50, 20));
  });

  it('has every kind of fault once before any comes twice, all of them in order and in time', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const { faults, kills, endAtMs } = schedule(seed, 4, 50, 20);
      expect(new Set(faults.map(({ name }) => name)).size).toBe(faultNames.length);
      expect([kills.length, faults.length]).toEqual([50, 20]);
      for (const moments of [kills, faults.map(({ atMs }) => atMs)]) {
        expect(moments).toEqual([...moments].sort((a, b) => a - b));
        expect(moments.every((ms) => ms >= 0 && ms <= endAtMs)).toBe(true);
      }
    }
  });

  it('is over with the stream before the cutover', () => {
    const { faults, cutoverAtMs } = schedule(3, 4, 0, 40);
    const stream = faults.filter(({ name }) => /slot|publication|topic|hints|resume/.test(name));
    expect(stream.length).toBeGreaterThan(9);
    expect(stream.filter(({ atMs }) => atMs >= cutoverAtMs)).toEqual([]);
  });
});

describe('errors of the application', () => {
  const line = (second: number, errors: Record<string, number>) => ({
    at: new Date(1_000_000 + second * 1_000).toISOString(),
    tally: { transactions: 1, inserted: 1, errors, errorSamples: [] },
  });
  const outages = [{ from: 1_002_500, to: 1_003_500 }];

  it('are set apart while its server was away, and only those that its server explains', () => {
    const lines = [line(1, {}), line(2, {}), line(3, { '57P01': 2, '23502': 1 }), line(5, { '57P01': 2, '23502': 1 })];
    expect(judgeErrors(lines, outages)).toEqual({ ours: { '23502': 1 }, apart: { '57P01': 2 } });
  });

  it('are ours at any other time', () => {
    const lines = [line(1, {}), line(2, { '57P01': 1 }), line(3, { '57P01': 1 })];
    expect(judgeErrors(lines, outages)).toEqual({ ours: { '57P01': 1 }, apart: {} });
  });
});
