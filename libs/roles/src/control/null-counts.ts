import { nullCount, nullIndexReady } from '@highwater/target-db';
import type { ControlContext } from './context.js';
import type { ProcessState } from './process-state.js';

/** Exact NULL counts by the partial indexes; without them nothing is counted, since a full scan is never worth an answer. */
export interface NullCounts {
  readonly indexed: boolean;
  /** By target; null while its index is not there. */
  readonly byTarget: readonly (number | null)[];
  readonly total: number;
}

export const notCounted: NullCounts = { indexed: false, byTarget: [], total: 0 };

export async function countNulls(context: ControlContext, process: ProcessState): Promise<NullCounts> {
  const byTarget: (number | null)[] = [];
  for (const target of process.targets) {
    const ready = await nullIndexReady(context.database.state, target);
    byTarget.push(ready ? await nullCount(context.database.fill, target) : null);
  }
  return {
    indexed: byTarget.every((count) => count !== null),
    byTarget,
    total: byTarget.reduce<number>((sum, count) => sum + (count ?? 0), 0),
  };
}
