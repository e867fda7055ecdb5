import { buildNullIndex } from '@highwater/target-db';
import type { ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

/** After the sweep, when almost nothing is NULL: then the index is small, and neither fills nor inserts paid for it. */
export async function buildNullIndexes(
  context: ControlContext,
  process: ProcessState,
  signal: AbortSignal,
): Promise<void> {
  for (const target of process.targets) await buildNullIndex(context.database, target, signal);
}
