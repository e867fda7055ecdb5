import { expect, it } from 'vitest';
import { lockBudgetFinding, rowBudgetFinding } from './budgets.js';

it.each([
  [500, 1_000, 'pass'],
  [999, 1_000, 'pass'],
  [1_000, 1_000, 'warn'],
  [500, 300, 'warn'],
])('a lock budget of %i ms where deadlock_timeout is %i ms: %s', (lockBudgetMs, deadlockTimeoutMs, status) => {
  expect(lockBudgetFinding(lockBudgetMs, deadlockTimeoutMs)).toMatchObject({ check: 'LockBudget', status });
});

it.each([
  [500, 1_000, 'pass'],
  [501, 1_000, 'fail'],
])('a row budget of %i ms where deadlock_timeout is %i ms: %s', (rowBudgetMs, deadlockTimeoutMs, status) => {
  expect(rowBudgetFinding(rowBudgetMs, deadlockTimeoutMs)).toMatchObject({ check: 'DeadlockTimeout', status });
});
