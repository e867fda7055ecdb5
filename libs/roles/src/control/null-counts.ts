import { nextUndoStep } from '@highwater/migration';
import { catalogFacts, countNullsOf, type FillTarget } from '@highwater/target-db';
import type { ControlContext } from './context.js';
import type { ProcessState } from './process-state.js';

/** Exact NULL counts by the partial indexes, on one snapshot; without them nothing is counted, since a full scan is never worth an answer. */
export interface NullCounts {
  /** The index of every target that is not enforced is there. */
  readonly indexed: boolean;
  /** By target; null while its index is not there, and where it could not be counted in time. */
  readonly byTarget: readonly (number | null)[];
  /** Of all targets; null while one of them is not counted: there may be any number of rows. */
  readonly total: number | null;
  /** A check of ours is in force on a table that is not enforced. */
  readonly guarded: boolean;
}

export const notCounted: NullCounts = { indexed: false, byTarget: [], total: null, guarded: false };

type Catalog = Awaited<ReturnType<typeof catalogFacts>>;

const isCounted = ({ notNull, nullIndexValid }: Pick<Catalog, 'notNull' | 'nullIndexValid'>): boolean =>
  !notNull && nullIndexValid;

export async function readNullCounts(
  context: ControlContext,
  process: ProcessState,
  signal: AbortSignal,
): Promise<NullCounts> {
  const found: { readonly target: FillTarget; readonly facts: Catalog }[] = [];
  for (const target of process.targets)
    found.push({ target, facts: await catalogFacts(context.database.state, target) });
  const asked = found.filter(({ facts }) => isCounted(facts));
  // one moment's counts: a row that moves from one table's to another's is in exactly one of them
  const targets = asked.map(({ target }) => target);
  const counts = await countNullsOf(context.database.fill, targets, signal);
  return nullCounts(
    found.map(({ facts }) => facts),
    counts,
  );
}

/** As `readNullCounts`; when it fails nothing is counted. Throws when it was given up because we stop: that is no news of the tables. */
export const lookAtNullCounts = (
  context: ControlContext,
  process: ProcessState,
  signal: AbortSignal,
): Promise<NullCounts> =>
  readNullCounts(context, process, signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    return notCounted;
  });

/** The targets that were counted: one that was not is told of none of its rows, and readiness does not take it for one without any. Pure. */
export const countedOf = (
  { byTarget }: NullCounts,
  targets: readonly { readonly table: string; readonly target: string }[],
): { readonly targetNo: number; readonly table: string; readonly target: string; readonly count: number }[] =>
  targets.flatMap(({ table, target }, targetNo) => {
    const count = byTarget[targetNo] ?? null;
    return count === null ? [] : [{ targetNo, table, target, count }];
  });

/** `counts`: of the targets whose index is there and needed, in their order; null: not counted in time. Pure. */
export function nullCounts(targets: readonly Catalog[], counts: readonly (bigint | null)[]): NullCounts {
  const given = counts.values();
  const byTarget = targets.map((facts) => {
    if (facts.notNull) return 0;
    const count = isCounted(facts) ? (given.next().value ?? null) : null;
    return count === null ? null : Number(count);
  });
  const indexed = targets.length > 0 && targets.every((facts) => facts.notNull || facts.nullIndexValid);
  const known = byTarget.filter((count) => count !== null);
  return {
    indexed,
    byTarget,
    total: indexed && known.length === byTarget.length ? known.reduce((sum, count) => sum + count, 0) : null,
    guarded: targets.some((facts) => nextUndoStep(facts) === 'dropGuard'),
  };
}
