import { must } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import { addColumn } from '@highwater/target-db';
import { issue, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { budgetOf } from './budget.js';

/** Adds the columns that the plan wants added: nullable, without default, so the lock is held for an instant at any size. */
export async function expand(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const columns = [];
  for (const target of process.targets) {
    const entry = must(process.plan.tables[target.targetNo], 'a target has its entry in the plan');
    if (!entry.target.addColumn) continue;
    const { table } = target.derivation;
    const added = await addColumn(
      context.database,
      {
        migrationId: target.migrationId,
        targetNo: target.targetNo,
        table,
        column: entry.target.column,
        type: entry.target.type,
      },
      budgetOf(state, signal),
    );
    if (added) columns.push({ table: `${table.schema}.${table.name}`, target: entry.target.column });
  }
  await issue(context, process.id, 'RecordExpanded', { columns });
}
