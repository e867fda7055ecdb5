import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffMs } from './backoff.js';
import { nextChunkRows, type ChunkObservation } from './chunk-size.js';
import { estimateEta, percentDone, RateWindow } from './progress.js';
import { rangeCount, splitRanges } from './ranges.js';
import { vacuumDue } from './vacuum-pacing.js';

const limits = fc.record({
  rowBudgetMs: fc.integer({ min: 1, max: 5_000 }),
  chunkRowsMax: fc.integer({ min: 1, max: 100_000 }),
});
const observation: fc.Arbitrary<ChunkObservation> = fc.oneof(
  fc.record({
    outcome: fc.constant('written' as const),
    rows: fc.nat(100_000),
    tookMs: fc.double({ min: 0, max: 60_000, noNaN: true }),
  }),
  fc.constant({ outcome: 'slow' as const }),
);

describe('ranges', () => {
  it('join without gap or overlap, end at the last key, and share out all rows', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(10_000), { maxLength: 300 }),
        fc.integer({ min: -3, max: 200 }),
        fc.nat(1_000_000),
        (keys, count, rows) => {
          const sorted = keys.toSorted((a, b) => a - b).map((key) => [String(key)]);
          const upper = ['10001'];
          const ranges = splitRanges({ samples: sorted, upper, count, rowsEstimated: rows });
          expect(ranges[0]?.lowerExclusive).toBeNull();
          expect(ranges.at(-1)?.upperInclusive).toEqual(upper);
          ranges.slice(1).forEach((range, i) => expect(range.lowerExclusive).toEqual(ranges[i]?.upperInclusive));
          expect(ranges.map((range) => range.rangeNo)).toEqual(ranges.map((_, i) => i));
          expect(ranges.reduce((sum, range) => sum + range.rowsEstimated, 0)).toBe(rows);
          const places = ranges
            .slice(0, -1)
            .map((range) => sorted.findIndex((key) => key[0] === range.upperInclusive?.[0]));
          expect(places).toEqual(places.toSorted((a, b) => a - b));
          expect(new Set(places).size).toBe(places.length);
        },
      ),
    );
  });

  it('are several per worker, never smaller than a few chunks, never more than 64', () => {
    fc.assert(
      fc.property(
        fc.nat(1e9),
        fc.nat(100),
        fc.integer({ min: 1, max: 10_000 }),
        (rowsEstimated, workers, chunkRowsMax) => {
          const count = rangeCount({ rowsEstimated, workers, chunkRowsMax });
          expect(count).toBeGreaterThanOrEqual(1);
          expect(count).toBeLessThanOrEqual(64);
          if (count > 1) expect(rowsEstimated / count).toBeGreaterThanOrEqual(chunkRowsMax * 4);
        },
      ),
    );
  });
});

describe('chunk size', () => {
  it('stays within 1 and chunkRowsMax, at most doubles, halves on a timeout', () => {
    fc.assert(
      fc.property(limits, fc.integer({ min: 1, max: 100_000 }), observation, (l, rows, observed) => {
        const current = Math.min(rows, l.chunkRowsMax);
        const next = nextChunkRows(current, observed, l);
        expect(Number.isInteger(next)).toBe(true);
        expect(next).toBeGreaterThanOrEqual(1);
        expect(next).toBeLessThanOrEqual(Math.min(l.chunkRowsMax, current * 2));
        if (observed.outcome === 'slow') expect(next).toBe(Math.max(1, Math.floor(current / 2)));
      }),
    );
  });

  it('settles where a chunk takes half of the row budget', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.02, max: 2, noNaN: true }), (perRowMs) => {
        const l = { rowBudgetMs: 200, chunkRowsMax: 5_000 };
        let rows = 500;
        for (let n = 0; n < 20; n += 1)
          rows = nextChunkRows(rows, { outcome: 'written', rows, tookMs: rows * perRowMs }, l);
        expect(rows * perRowMs).toBeLessThanOrEqual(100.001);
        expect(rows).toBeGreaterThanOrEqual(Math.min(5_000, Math.floor(100 / perRowMs)) - 1);
      }),
    );
  });
});

describe('progress', () => {
  it('is never above 100 %, and 100 % only when complete', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: -1, max: 1e9 }), fc.boolean(), (done, expected, complete) => {
        const percent = percentDone(done, expected, complete);
        if (percent === undefined) {
          expect(expected).toBeLessThanOrEqual(0);
          return;
        }
        expect(percent).toBeLessThanOrEqual(100);
        expect(percent).toBeGreaterThanOrEqual(0);
        expect(percent === 100).toBe(complete);
      }),
    );
  });

  it('gives an ETA that is finite and ordered, or says why it has none', () => {
    const step = fc.record({ ms: fc.nat(10_000), rows: fc.integer({ min: -50, max: 10_000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(1_000_000), (steps, expected) => {
        let [runningMs, rowsDone] = [0, 0];
        const samples = steps.map(({ ms, rows }) => ({
          runningMs: (runningMs += ms),
          rowsDone: (rowsDone = Math.max(0, rowsDone + rows)),
        }));
        const eta = estimateEta(samples, expected);
        if (eta.kind !== 'range') return;
        expect(runningMs).toBeGreaterThanOrEqual(60_000);
        expect(eta.p50Ms).toBeGreaterThanOrEqual(0);
        expect(eta.p90Ms).toBeGreaterThanOrEqual(eta.p50Ms);
        expect(Number.isFinite(eta.p90Ms)).toBe(true);
      }),
    );
  });

  it('leaves paused time out of the rate', () => {
    const window = new RateWindow(1_000);
    for (let second = 0; second <= 5; second += 1) window.observe(second * 1_000, second * 100, true);
    window.observe(3_605_000, 500, false);
    for (let second = 1; second <= 3; second += 1) window.observe(3_605_000 + second * 1_000, 500 + second * 100, true);
    expect(window.rowsPerSecond()).toBeCloseTo(100);
    expect(window.samples.at(-1)).toEqual({ runningMs: 8_000, rowsDone: 800 });
  });
});

it('backoff grows to its limit and stays in the upper half of its step', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
      const ceiling = Math.min(5_000, 50 * 2 ** Math.min(attempt - 1, 30));
      expect(backoffMs(attempt, random)).toBeGreaterThanOrEqual(Math.floor(ceiling / 2));
      expect(backoffMs(attempt, random)).toBeLessThanOrEqual(ceiling);
    }),
  );
});

it('a vacuum is due each tenth of the table, not for small ones', () => {
  expect([
    vacuumDue(19_999, 0),
    vacuumDue(20_000, 0),
    vacuumDue(99_999, 1_000_000),
    vacuumDue(100_000, 1_000_000),
  ]).toEqual([false, true, false, true]);
});
