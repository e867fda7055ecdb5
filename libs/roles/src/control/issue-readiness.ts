import type { LiveMigration, Readiness } from '@highwater/migration';
import { issue, type ControlContext } from './context.js';

/** Only the two edges are events; everything in between is the stored evaluation. */
export async function issueReadiness(
  context: ControlContext,
  id: string,
  state: LiveMigration,
  readiness: Readiness,
): Promise<void> {
  if (readiness.ready === (state.readyGeneration !== null)) return;
  // ready is said in one phase only; that it is so no longer, in every phase (a broken stream may be rebuilt by then)
  if (state.phase !== 'bridged' && (readiness.ready || state.phase === 'finished')) return;
  await issue(context, id, 'RecordReadiness', {
    ready: readiness.ready,
    generation: readiness.generation,
    conditions: readiness.conditions,
  });
}
