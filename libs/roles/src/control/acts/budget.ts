import type { LiveMigration } from '@highwater/migration';
import type { DdlBudget } from '@highwater/target-db';

/** The waits one DDL step may cause, from the migration's limits; a cutover request may ask for others. */
export const budgetOf = (
  state: LiveMigration,
  signal: AbortSignal,
  asked: { lockBudgetMs?: number | undefined; lockAttempts?: number | undefined } = {},
): DdlBudget => ({
  lockBudgetMs: asked.lockBudgetMs ?? state.limits.lockBudgetMs,
  lockAttempts: asked.lockAttempts ?? state.limits.lockAttempts,
  signal,
});
