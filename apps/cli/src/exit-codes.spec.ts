import { describe, expect, it } from 'vitest';
import { HighwaterError, type ErrorCode } from '@highwater/kernel';
import { exitCodeOf, exitCodeOfReadiness, exitCodes } from './exit-codes.js';

describe('exit codes', () => {
  it('are a contract', () => {
    expect(exitCodes).toEqual({
      ok: 0,
      unexpected: 1,
      differences: 2,
      refusedPlan: 3,
      notReady: 4,
      unknown: 5,
      timeout: 6,
      conflict: 7,
      refusedByRole: 8,
      usage: 64,
      interrupted: 130,
      terminated: 143,
    });
  });

  it.each([
    ['HW1012', 3],
    ['HW1102', 3],
    ['HW2090', 3],
    ['HW6011', 4],
    ['HW6016', 5],
    ['HW6302', 5],
    ['HW6012', 7],
    ['HW6013', 7],
    ['HW6010', 64],
    ['HW5093', 7],
    ['HW2003', 7],
    ['HW9005', 8],
    ['HW9501', 64],
    ['HW6301', 64],
    ['HW9002', 1],
    ['HW5090', 1],
  ] as [ErrorCode, number][])('%s ends with %i', (code, exit) => {
    expect(exitCodeOf(new HighwaterError(code, 'never', 'x'))).toBe(exit);
  });

  it('ends with 1 on anything that is not ours', () => {
    expect(exitCodeOf(new Error('x'))).toBe(1);
  });

  it.each([
    [true, [], 0],
    [false, ['True', 'False', 'Unknown'], 4],
    [false, ['True', 'Unknown'], 5],
  ] as [boolean, ('True' | 'False' | 'Unknown')[], number][])(
    'readiness %s with %j ends with %i',
    (ready, statuses, exit) => {
      expect(exitCodeOfReadiness({ ready, conditions: statuses.map((status) => ({ status })) })).toBe(exit);
    },
  );
});
