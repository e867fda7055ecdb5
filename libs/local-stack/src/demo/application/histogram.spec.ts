import { expect, it } from 'vitest';
import { Histogram } from './histogram.js';

it('keeps the worst wait exactly and quantiles to 5 %', () => {
  const histogram = new Histogram();
  for (let n = 1; n <= 1000; n += 1) histogram.record(n / 10);
  histogram.record(712.34);
  const { count, p50, p99, worst } = histogram.summary();
  expect({ count, worst }).toEqual({ count: 1001, worst: 712.34 });
  expect(Math.abs(p50 - 50) / 50).toBeLessThan(0.05);
  expect(Math.abs(p99 - 99) / 99).toBeLessThan(0.05);
});

it('starts again after a mark', () => {
  const histogram = new Histogram();
  histogram.record(900);
  histogram.reset();
  expect(histogram.summary()).toEqual({ count: 0, p50: 0, p99: 0, worst: 0 });
  histogram.record(0);
  expect(histogram.summary()).toEqual({ count: 1, p50: 0, p99: 0, worst: 0 });
});
