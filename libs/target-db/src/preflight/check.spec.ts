import { describe, expect, it } from 'vitest';
import { blocking, judge } from './check.js';
import { preflightCodes } from './codes.js';

describe('preflight check', () => {
  it('fails what needs acceptance until the plan names it, and nothing else can be accepted', () => {
    const unlimited = { check: 'UnlimitedSlotWal', status: 'warn', message: 'm', needsAcceptance: true } as const;
    expect(judge(unlimited, [])).toMatchObject({
      status: 'fail',
      acceptable: true,
      message: 'm; to go on all the same: accept: [UnlimitedSlotWal]',
    });
    expect(judge(unlimited, ['UnlimitedSlotWal'])).toMatchObject({ status: 'warn', message: 'm' });
    const wal = judge({ check: 'WalLevel', status: 'fail', message: 'm' }, ['WalLevel']);
    expect(blocking([wal])).toHaveLength(1);
    expect(blocking([judge({ check: 'Leftover', status: 'warn', message: 'm' }, [])])).toEqual([]);
  });

  it('has one code per check', () => {
    expect(new Set(Object.values(preflightCodes)).size).toBe(Object.keys(preflightCodes).length);
  });
});
