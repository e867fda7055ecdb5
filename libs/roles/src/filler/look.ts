import type { Verdict } from '@highwater/kernel';
import { failpoint } from '@highwater/telemetry';
import { fillBatch, type CommitWitness, type Database, type EntityTarget, type FillTarget } from '@highwater/target-db';
import type { Dead } from './assignment.js';
import { GateClosed } from './gate-closed.js';
import { makeEntities } from './make-entities.js';
import { contendedLooksMax } from './retry-policy.js';
import type { HintItem } from './triage.js';

export interface LookContext {
  readonly database: Database;
  readonly limits: { readonly rowBudgetMs: number };
  /** For metrics: verdicts of one batch of one target, and how long it took. */
  readonly onBatchFilled?: (batch: {
    target: FillTarget;
    verdicts: Readonly<Partial<Record<Verdict, number>>>;
    tookMs: number;
  }) => void;
  readonly onEntitiesMade?: (made: { target: EntityTarget; made: number }) => void;
}

/** A hint without a final verdict for some of its targets or entities. */
interface Kept {
  readonly item: HintItem;
  readonly targets: FillTarget[];
  readonly entities: EntityTarget[];
  /** `untried`: contended, and not for anybody's sake but for want of time; no look that counts. */
  verdict: 'parked' | 'contended' | 'untried';
}

/** What one look came to; hints that are neither kept nor dead were settled. */
export interface Looked {
  readonly kept: readonly Kept[];
  readonly dead: readonly Dead[];
  /** Final verdicts, and the first `parked` of a hint; dead letters are counted once they are stored. */
  readonly counted: Readonly<Partial<Record<Verdict, number>>>;
  /** What stopped a batch; its hints are kept. */
  readonly failed: unknown;
  /** A batch had not the time for all of its hints. */
  readonly untried: boolean;
}

/**
 * One transaction per entity, since rows may need what is made in it, then one fill transaction per target. Settles what is final for all
 * entities and targets of its table; never throws.
 */
export async function lookAt(
  context: LookContext,
  witness: CommitWitness,
  items: readonly HintItem[],
): Promise<Looked> {
  const kept = new Map<HintItem, Kept>();
  const dead = new Map<HintItem, Dead>();
  const counted: Partial<Record<Verdict, number>> = {};
  let failed: unknown;
  let untried = false;
  const entryOf = (item: HintItem, verdict: Kept['verdict']): Kept => {
    const entry = kept.get(item) ?? { item, targets: [], entities: [], verdict };
    if (rank[verdict] > rank[entry.verdict]) entry.verdict = verdict;
    untried ||= verdict === 'untried';
    kept.set(item, entry);
    return entry;
  };
  const keep: Keep<FillTarget> = (item, target, verdict) => void entryOf(item, verdict).targets.push(target);
  const keepEntity: Keep<EntityTarget> = (item, entity, verdict) => void entryOf(item, verdict).entities.push(entity);
  const judge = async <T>(
    work: () => Promise<Partial<Record<Verdict, number>>>,
    hints: readonly HintItem[],
    open: T,
    keepOpen: Keep<T>,
  ): Promise<void> => {
    try {
      for (const [verdict, count] of Object.entries(await witness.during(work)))
        counted[verdict as Verdict] = (counted[verdict as Verdict] ?? 0) + count;
    } catch (error) {
      failed = error;
      for (const item of hints) keepOpen(item, open, 'contended');
    }
  };
  for (const [entity, hints] of grouped(items, (item) => item.openEntities, byEntityNo))
    await judge(() => makeEntities(context, entity, hints, keepEntity, dead), hints, entity, keepEntity);
  for (const [target, hints] of grouped(items, (item) => item.open))
    await judge(() => fillTarget(context, target, hints, keep, dead), hints, target, keep);
  for (const item of items) if (!dead.has(item) && !kept.has(item)) item.progress.settle(item.offset);
  const stillOpen = [...kept.values()].filter(({ item }) => !dead.has(item));
  return { kept: stillOpen, dead: [...dead.values()], counted, failed, untried };
}

export type Keep<T> = (item: HintItem, open: T, verdict: Kept['verdict']) => void;

/** What is said of a hint with several targets that are open for different reasons. */
const rank = { untried: 0, contended: 1, parked: 2 } as const;

/** An entity may be the source of a later one. */
const byEntityNo = (a: EntityTarget, b: EntityTarget): number => a.entityNo - b.entityNo;

function grouped<T>(
  items: readonly HintItem[],
  openOf: (item: HintItem) => readonly T[],
  order?: (a: T, b: T) => number,
): [T, HintItem[]][] {
  const groups = new Map<T, HintItem[]>();
  for (const item of items)
    for (const open of openOf(item)) {
      const hints = groups.get(open);
      if (hints) hints.push(item);
      else groups.set(open, [item]);
    }
  const all = [...groups];
  return order ? all.sort(([a], [b]) => order(a, b)) : all;
}

async function fillTarget(
  context: LookContext,
  target: FillTarget,
  items: readonly HintItem[],
  keep: Keep<FillTarget>,
  dead: Map<HintItem, Dead>,
): Promise<Partial<Record<Verdict, number>>> {
  const began = performance.now();
  const hints = items.map((item) => ({
    key: item.key,
    xid: item.xid,
    partition: item.progress.partition,
    forced: item.forced,
    parkedBefore: item.parked > 0,
    lastLook: item.contended >= contendedLooksMax,
  }));
  await failpoint('filler.beforeFill');
  const outcome = await fillBatch(context.database.fill, target, hints, context.limits);
  await failpoint('filler.afterCommit'); // of the rows; the offset comes later
  if (outcome.kind === 'gateClosed') throw new GateClosed();
  const counted: Partial<Record<Verdict, number>> = {};
  items.forEach((item, i) => {
    const answer = outcome.verdicts[i] ?? { verdict: 'contended' as const };
    const { verdict } = answer;
    if (answer.verdict === 'dead_letter') {
      dead.set(item, { progress: item.progress, offset: item.offset, reason: answer.reason });
      return;
    }
    if (answer.verdict === 'contended' && answer.untried === true) return void keep(item, target, 'untried');
    const again = verdict === 'parked' || (verdict === 'contended' && item.contended < contendedLooksMax);
    if (again) keep(item, target, verdict);
    if (again && (verdict === 'contended' || item.parked > 0)) return;
    counted[verdict] = (counted[verdict] ?? 0) + 1;
  });
  context.onBatchFilled?.({ target, verdicts: counted, tookMs: performance.now() - began });
  return counted;
}
