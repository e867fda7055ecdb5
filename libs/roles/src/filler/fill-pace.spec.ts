import { expect, it } from 'vitest';
import { BatchSize } from './fill-pace.js';

it('a batch is smaller after one that left hints for want of time, never empty, and as large as before a while later', () => {
  const size = new BatchSize();
  const full = size.rows;
  size.looked(200, true);
  expect(size.rows).toBe(50);
  size.looked(2, true);
  expect(size.rows).toBe(1);
  for (let n = 0; n < 20; n += 1) size.looked(1, false);
  expect(size.rows).toBe(full);
});
