import { describe, expect, it } from 'vitest';
import type { SlotSeen } from './observations.js';
import { retentionAlarm } from './retention.js';

const slot = (change: Partial<SlotSeen>): SlotSeen => ({
  active: true,
  walStatus: 'extended',
  retainedBytes: 0,
  behindBytes: 0,
  safeBytes: null,
  limitBytes: 1_000,
  ...change,
});

describe('retained WAL against its nearest limit', () => {
  it.each([
    ['below the first mark', { retainedBytes: 749 }, 0, 74],
    ['at 75%', { retainedBytes: 750 }, 75, 75],
    ['at 90%', { retainedBytes: 900 }, 90, 90],
    ['beyond the limit', { retainedBytes: 2_000 }, 90, 200],
    ['the server keeps less than the plan allows', { retainedBytes: 400, safeBytes: 50 }, 75, 88],
    ['the server keeps more', { retainedBytes: 400, safeBytes: 5_000 }, 0, 40],
    ['only the server has a limit', { retainedBytes: 95, safeBytes: 5, limitBytes: 0 }, 90, 95],
    ['no limit at all', { retainedBytes: 9_999, limitBytes: 0 }, 0, null],
  ] as const)('%s', (_what, change, mark, percent) => {
    expect(retentionAlarm(slot(change))).toMatchObject({ mark, percent });
  });

  it.each([
    ['nobody reads it', { active: false }, /no relay reads it/],
    ['the relay is behind', { behindBytes: 700 }, /the relay is 700 B behind/],
    [
      'a transaction is open',
      { behindBytes: 10, holder: 'pid 7 (psql)' },
      /an open transaction keeps it: pid 7 \(psql\)/,
    ],
    ['neither', { behindBytes: 10, holder: null }, /no open transaction was found/],
  ] as const)('names the cause: %s', (_what, change, message) => {
    expect(retentionAlarm(slot({ retainedBytes: 900, ...change })).message).toMatch(message);
  });
});
