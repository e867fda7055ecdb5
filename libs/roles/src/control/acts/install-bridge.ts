import { installBridge, serverNow } from '@highwater/target-db';
import type { LiveMigration } from '@highwater/migration';
import { issue, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { budgetOf } from './budget.js';

/**
 * Installs the bridge on every target. CREATE TRIGGER waits out every writer of the table, so whatever comes after the last one is seen by
 * the bridge: the event's time, by the server's clock, is what fences and passes are compared with.
 */
export async function bridgeAll(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const mode = state.mode === 'strict' ? 'observe' : 'assign';
  for (const target of process.targets)
    await installBridge(context.database, target, { mode, reports: state.streamPlanned }, budgetOf(state, signal));
  await issue(context, process.id, 'RecordBridged', {
    epoch: state.epoch,
    mode,
    at: (await serverNow(context.database.state)).toISOString(),
    tables: state.targets.map(({ table, target }) => ({ table, target })),
  });
}
