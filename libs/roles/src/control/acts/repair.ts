import { repairPage } from '@highwater/target-db';
import type { LiveMigration } from '@highwater/migration';
import type { ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

const pageRows = 200;
/** Longest time without looking whether the verification is still the one that is wanted. */
const roundMsMax = 1_000;

/**
 * Sets right what a verification found, page by page, each page one commit: only rows that hold the value of their journal entry. What stays
 * says why in its entry.
 *
 * @returns whether every mismatch was looked at; false: the gate is closed, or the round is over and the next goes on.
 */
export async function repairMismatches(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<boolean> {
  const began = performance.now();
  for (const target of process.targets)
    for (let left = true; left;) {
      if (signal.aborted || performance.now() - began > roundMsMax) return false;
      const page = await repairPage(context.database.fill, target, pageRows, state.limits.rowBudgetMs);
      if (!page) return false;
      left = page.left;
      const { repaired, kept } = page;
      if (repaired === 0 && kept === 0) continue;
      const table = target.derivation.table.name;
      context.metrics.rowsRepaired.inc({ migration: process.id, table }, repaired);
      context.logger.info({ migrationId: process.id, table, repaired, kept }, 'mismatches repaired by the journal');
    }
  return true;
}
