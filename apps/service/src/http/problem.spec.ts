import { describe, expect, it } from 'vitest';
import { HighwaterError, type ErrorCode } from '@highwater/kernel';
import { NotReady, PlanRejected } from '@highwater/roles';
import { problemOf } from './problem.js';

const error = (code: ErrorCode, retry: 'never' | 'backoff' = 'never') =>
  new HighwaterError(code, retry, 'it was refused', {}, 'do this');

describe('problem', () => {
  it.each([
    ['HW6010', 404],
    ['HW6011', 422],
    ['HW6012', 412],
    ['HW6013', 409],
    ['HW6014', 409],
    ['HW6015', 400],
    ['HW6016', 503],
    ['HW6018', 422],
    ['HW6002', 422],
    ['HW6205', 428],
    ['HW6204', 413],
    ['HW6203', 415],
    ['HW1101', 422],
    ['HW2090', 422],
    ['HW9002', 503],
    ['HW5003', 500],
  ] as [ErrorCode, number][])('%s is %i', (code, status) => {
    expect(problemOf(error(code), 'urn:uuid:1')).toEqual({
      type: `docs/errors.md#${code.toLowerCase()}`,
      title: expect.any(String) as string,
      status,
      detail: 'it was refused',
      instance: 'urn:uuid:1',
      code,
      help: 'do this',
    });
  });

  it('shows the conditions of a refusal for readiness', () => {
    const condition = {
      type: 'NullCountZero',
      status: 'False' as const,
      reason: 'RowsRemaining',
      message: '37 rows',
      lastTransitionTime: '2026-01-01T00:00:00.000Z',
      evidence: {},
    };
    const readiness = {
      migration: 'm',
      ready: false,
      generation: '7',
      evaluatedAt: '2026-01-01T00:00:00.000Z',
      conditions: [condition],
    };
    expect(problemOf(new NotReady(readiness), 'i')).toMatchObject({
      status: 422,
      generation: '7',
      conditions: [condition],
    });
  });

  it('shows line, column and excerpt of a refused plan', () => {
    const issue = {
      code: 'HW1004',
      severity: 'error',
      line: 2,
      column: 3,
      length: 4,
      message: 'expected text',
      notes: [],
    } as const;
    const problem = problemOf(new PlanRejected([issue], 'a: 1\nb: nope\n'), 'i');
    expect(problem).toMatchObject({ status: 422, issues: [{ line: 2, column: 3, code: 'HW1004' }] });
    expect(problem['text']).toContain('plan.yaml:2:3: error[HW1004]: expected text');
  });

  it('tells nothing of an error that is not ours', () => {
    const problem = problemOf(new Error('canary-4711 at postgres://u:p@h/d'), 'i');
    expect(problem.status).toBe(500);
    expect(JSON.stringify(problem)).not.toContain('canary');
  });
});
