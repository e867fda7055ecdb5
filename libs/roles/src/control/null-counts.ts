import { nextUndoStep } from '@highwater/migration';
import { catalogFacts, countNullsOf, type FillTarget } from '@highwater/target-db';
import type { ControlContext } from './context.js';
import type { ProcessState } from './process-state.js';

/** Exact NULL counts by the partial indexes, on one snapshot; without them nothing is counted, since a full scan is never worth an answer. */
export interface NullCounts {
  readonly indexed: boolean;
  /** By target; null while its index is not there. */
  readonly byTarget: readonly (number | null)[];
  readonly total: number;
  /** A check of ours is in force on a table that is not enforced. */
  readonly guarded: boolean;
}

export const notCounted: NullCounts = { indexed: false, byTarget: [], total: 0, guarded: false };

export async function readNullCounts(context: ControlContext, process: ProcessState): Promise<NullCounts> {
  const counted: FillTarget[] = [];
  const known = new Map<FillTarget, number | null>();
  let guarded = false;
  for (const target of process.targets) {
    const facts = await catalogFacts(context.database.state, target);
    guarded ||= nextUndoStep(facts) === 'dropGuard';
    if (facts.notNull) known.set(target, 0);
    else if (facts.nullIndexValid) counted.push(target);
    else known.set(target, null);
  }
  // one moment's counts: a row that moves from one table's to another's is in exactly one of them
  const counts = await countNullsOf(context.database.fill, counted);
  counted.forEach((target, n) => known.set(target, Number(counts[n])));
  const byTarget = process.targets.map((target) => known.get(target) ?? null);
  return {
    indexed: byTarget.length > 0 && byTarget.every((count) => count !== null),
    byTarget,
    total: byTarget.reduce<number>((sum, count) => sum + (count ?? 0), 0),
    guarded,
  };
}
