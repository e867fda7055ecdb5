import { describe, expect, it } from 'vitest';
import { formatEta, formatStatusLine, type MigrationStatus } from './status-line.js';

const status: MigrationStatus = {
  phase: 'fill',
  rowsDone: 30_713_100,
  rowsExpected: 43_138_319,
  complete: false,
  nulls: 12_425_219,
  liveFilled: 381_910,
  lag: { bytes: 0n, seconds: 0.3 },
  sweep: { rowsPerSecond: 18_400, chunkRows: 2_000 },
  slot: { retainedBytes: 1_288_490_188n, limitBytes: 20n << 30n, percent: 6, lostInMs: null },
  unfillable: 0,
  reason: { code: 'replica_lag', message: '3.0s > 1.0s', sinceMs: 12_000 },
  state: 'throttled',
  eta: { kind: 'range', p50Ms: 2_940_000, p90Ms: 4_800_000 },
};

describe('status line', () => {
  it('is the line of the documentation', () => {
    expect(formatStatusLine(status)).toBe(
      'fill 71.1% 30713100/~43138319 rows; nulls 12425219; live +381910 lag 0 B/0.3s; sweep 18.4k rows/s batch 2000; ' +
        'slot 1.2 GiB of 20.0 GiB (6%); throttled: replica_lag 3.0s > 1.0s (12s); ETA 49m..1h20m',
    );
  });

  it('says when the slot is lost, once that is known', () => {
    const slot = { retainedBytes: 18n << 30n, limitBytes: 20n << 30n, percent: 90, lostInMs: 754_000 };
    expect(formatStatusLine({ ...status, slot })).toContain('; slot 18.0 GiB of 20.0 GiB (90%), lost in 13m;');
  });

  it('says unknown instead of a number it does not have, and expected N when there was more', () => {
    const early = {
      ...status,
      rowsExpected: 0,
      nulls: null,
      slot: null,
      sweep: null,
      lag: null,
      eta: { kind: 'unknown', reason: 'TooEarly' },
    } as const;
    expect(formatStatusLine(early)).toMatch(
      /^fill \?% 30713100\/unknown rows; nulls unknown; live \+381910; .*; ETA unknown$/,
    );
    expect(formatStatusLine({ ...status, rowsExpected: 30_000_000 })).toContain(
      '99.9% 30713100 rows (expected 30000000)',
    );
    expect(formatStatusLine({ ...status, complete: true, eta: { kind: 'due' } })).toMatch(
      /100\.0% 30713100\/43138319 rows.*ETA due$/,
    );
  });

  it('rounds an ETA to what is known', () => {
    expect(formatEta({ kind: 'range', p50Ms: 90_500, p90Ms: 90_500 })).toBe('1m31s');
    expect(formatEta({ kind: 'range', p50Ms: 3_000_001, p90Ms: 3_660_000 })).toBe('51m..1h1m');
  });
});
