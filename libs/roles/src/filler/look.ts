import type { Verdict } from '@highwater/kernel';
import { failpoint } from '@highwater/telemetry';
import { fillBatch, type CommitWitness, type Database, type FillTarget } from '@highwater/target-db';
import type { Dead } from './assignment.js';
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
}

/** Halt: nothing was judged. */
export class GateClosed extends Error {
  constructor() {
    super('halted: the gate is closed');
  }
}

/** A hint without a final verdict for some of its targets. */
interface Kept {
  readonly item: HintItem;
  readonly targets: FillTarget[];
  verdict: 'parked' | 'contended';
}

/** What one look came to; hints that are neither kept nor dead were settled. */
export interface Looked {
  readonly kept: readonly Kept[];
  readonly dead: readonly Dead[];
  /** Final verdicts, and the first `parked` of a hint; dead letters are counted once they are stored. */
  readonly counted: Readonly<Partial<Record<Verdict, number>>>;
  /** What stopped a batch; its hints are kept. */
  readonly failed: unknown;
}

/** One fill transaction per target for these hints. Settles what is final for all targets of its table; never throws. */
export async function lookAt(
  context: LookContext,
  witness: CommitWitness,
  items: readonly HintItem[],
): Promise<Looked> {
  const kept = new Map<HintItem, Kept>();
  const dead = new Map<HintItem, Dead>();
  const counted: Partial<Record<Verdict, number>> = {};
  let failed: unknown;
  const keep = (item: HintItem, target: FillTarget, verdict: Kept['verdict']): void => {
    const entry = kept.get(item) ?? { item, targets: [], verdict };
    entry.targets.push(target);
    if (verdict === 'parked') entry.verdict = 'parked';
    kept.set(item, entry);
  };
  for (const [target, hints] of byTarget(items)) {
    try {
      const batch = await witness.during(() => fillTarget(context, target, hints, keep, dead));
      for (const [verdict, count] of Object.entries(batch))
        counted[verdict as Verdict] = (counted[verdict as Verdict] ?? 0) + count;
    } catch (error) {
      failed = error;
      for (const item of hints) keep(item, target, 'contended');
    }
  }
  for (const item of items) if (!dead.has(item) && !kept.has(item)) item.progress.settle(item.offset);
  return { kept: [...kept.values()].filter(({ item }) => !dead.has(item)), dead: [...dead.values()], counted, failed };
}

function byTarget(items: readonly HintItem[]): Map<FillTarget, HintItem[]> {
  const targets = new Map<FillTarget, HintItem[]>();
  for (const item of items)
    for (const target of item.open) {
      const hints = targets.get(target);
      if (hints) hints.push(item);
      else targets.set(target, [item]);
    }
  return targets;
}

async function fillTarget(
  context: LookContext,
  target: FillTarget,
  items: readonly HintItem[],
  keep: (item: HintItem, target: FillTarget, verdict: Kept['verdict']) => void,
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
    const again = verdict === 'parked' || (verdict === 'contended' && item.contended < contendedLooksMax);
    if (again) keep(item, target, verdict);
    if (again && (verdict === 'contended' || item.parked > 0)) return;
    counted[verdict] = (counted[verdict] ?? 0) + 1;
  });
  context.onBatchFilled?.({ target, verdicts: counted, tookMs: performance.now() - began });
  return counted;
}
