import type { Verdict } from '@highwater/kernel';
import { failpoint } from '@highwater/telemetry';
import { createEntities, type EntityTarget, type EntityVerdict } from '@highwater/target-db';
import type { Dead } from './assignment.js';
import { GateClosed } from './gate-closed.js';
import type { Keep, LookContext } from './look.js';
import { contendedLooksMax } from './retry-policy.js';
import type { HintItem } from './triage.js';

/** The words of every hint. What the application makes is never asked for here; if it were, it would be nothing to wait for. */
const asVerdict = {
  made: 'filled',
  there: 'already',
  waiting: 'already',
  gone: 'gone',
  parked: 'parked',
  contended: 'contended',
  unfillable: 'unfillable',
  dead_letter: 'dead_letter',
} as const satisfies Record<EntityVerdict['verdict'], Verdict>;

/**
 * It needs another entity, whose hint may lie in another partition and be a moment behind: looked at again. It is listed until then, and the
 * pass that finds it made closes its entry.
 */
const isBehind = (answer: EntityVerdict): boolean =>
  answer.verdict === 'unfillable' && (answer.reason === 'ReferentMissing' || answer.reason === 'EntityMissing');

/** Makes the entities of one kind that these hints' sources need, in short transactions of their own. */
export async function makeEntities(
  context: LookContext,
  target: EntityTarget,
  items: readonly HintItem[],
  keep: Keep<EntityTarget>,
  dead: Map<HintItem, Dead>,
): Promise<Partial<Record<Verdict, number>>> {
  const keys = items.map(({ key, xid, forced }) => ({ key, xid, forced }));
  const outcome = await createEntities(context.database.fill, target, { kind: 'keys', keys }, context.limits, 'live');
  if (outcome.kind === 'gateClosed') throw new GateClosed();
  if (outcome.made > 0) await failpoint('filler.afterEntities'); // they are committed; rows and offset come later
  const counted: Partial<Record<Verdict, number>> = {};
  items.forEach((item, i) => {
    const answer = outcome.verdicts[i] ?? { verdict: 'contended' as const };
    if (answer.verdict === 'dead_letter') {
      dead.set(item, { progress: item.progress, offset: item.offset, reason: answer.reason });
      return;
    }
    const verdict = isBehind(answer) && item.contended < contendedLooksMax ? 'contended' : asVerdict[answer.verdict];
    const again = verdict === 'parked' || (verdict === 'contended' && item.contended < contendedLooksMax);
    if (again) keep(item, target, verdict);
    if (again && (verdict === 'contended' || item.parked > 0)) return;
    counted[verdict] = (counted[verdict] ?? 0) + 1;
  });
  context.onEntitiesMade?.({ target, made: outcome.made });
  return counted;
}
