import { formatDuration, HighwaterError } from '@highwater/kernel';
import type { Access } from '../session/database.js';
import type { Finding } from './check.js';
import { preflightCodes } from './codes.js';

/** Of the session, in ms. */
export const deadlockTimeoutSql = `(select setting::int from pg_settings where name = 'deadlock_timeout')`;

/** Longest row budget on a server with this `deadlock_timeout`: row locks may be held for twice the budget. */
const rowBudgetMsMax = (deadlockTimeoutMs: number): number => Math.floor(deadlockTimeoutMs / 2);

/** Whether a plan's row budget stays well below the server's `deadlock_timeout`, both in ms. */
export function rowBudgetFinding(rowBudgetMs: number, deadlockTimeoutMs: number): Finding {
  const facts = `limits.rowBudget ${formatDuration(rowBudgetMs)}, deadlock_timeout ${formatDuration(deadlockTimeoutMs)}`;
  return rowBudgetMs <= rowBudgetMsMax(deadlockTimeoutMs)
    ? { check: 'DeadlockTimeout', status: 'pass', message: facts }
    : { check: 'DeadlockTimeout', status: 'fail', message: `${facts}; the row budget must be at most half of it` };
}

/** Whether one attempt for a lock has given up before the server looks for a deadlock, both in ms. */
export function lockBudgetFinding(lockBudgetMs: number, deadlockTimeoutMs: number): Finding {
  const facts = `limits.lockBudget ${formatDuration(lockBudgetMs)}, deadlock_timeout ${formatDuration(deadlockTimeoutMs)}`;
  return lockBudgetMs < deadlockTimeoutMs
    ? { check: 'LockBudget', status: 'pass', message: facts }
    : {
        check: 'LockBudget',
        status: 'warn',
        message: `${facts}: an application that locks two tables in another order than a step of ours may be made a deadlock's victim; a lower budget with more limits.lockAttempts is not`,
      };
}

/** The rule of the row budget, for a limit that is changed while the migration runs. Throws HW2117. */
export async function refuseRowBudget(state: Access, migration: string, rowBudgetMs: number): Promise<void> {
  const [server] = await state.query<{ deadlock_ms: number }>(
    'reading deadlock_timeout',
    `select ${deadlockTimeoutSql} as deadlock_ms`,
  );
  if (!server) throw new Error('invariant broken: one row about the server');
  const { status, message } = rowBudgetFinding(rowBudgetMs, server.deadlock_ms);
  if (status !== 'fail') return;
  const most = formatDuration(rowBudgetMsMax(server.deadlock_ms));
  throw new HighwaterError(
    preflightCodes.DeadlockTimeout,
    'never',
    `limits of migration "${migration}" are not changed: ${message}`,
    { migration, limit: 'rowBudget', found: formatDuration(rowBudgetMs), expected: `at most ${most}` },
    `highwater set ${migration} rowBudget=${most}, or less`,
  );
}
