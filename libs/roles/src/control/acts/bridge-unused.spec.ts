import { describe, expect, it } from 'vitest';
import { wasNeeded } from './bridge-unused.js';

const plan = { tables: [{ notNull: true }, { notNull: false }] };

describe('a use of the bridge', () => {
  it('is whatever got a value by it, failed in it, or came without one to a table that must have one', () => {
    expect(wasNeeded({ targetNo: 0, outcome: 'resolved' }, plan)).toBe(true);
    expect(wasNeeded({ targetNo: 0, outcome: 'left_null' }, plan)).toBe(true);
    expect(wasNeeded({ targetNo: 1, outcome: 'resolved' }, plan)).toBe(true);
    expect(wasNeeded({ targetNo: 1, outcome: 'failed' }, plan)).toBe(true);
  });

  it('is not a row without a value in a table that may keep it: the new application writes those too', () => {
    expect(wasNeeded({ targetNo: 1, outcome: 'left_null' }, plan)).toBe(false);
  });
});
