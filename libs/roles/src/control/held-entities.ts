import type { UnfillableReason } from '@highwater/kernel';
import { entityPolicyOf } from '@highwater/plan';
import type { ProcessState } from './process-state.js';

type OfPlan = Pick<ProcessState, 'plan'>;

/** Whether the plan holds sources of this entity that are listed with this reason. */
export const isHeld = ({ plan }: OfPlan, entityNo: number, reason: string): boolean =>
  entityPolicyOf(plan.entities[entityNo] ?? {}, reason as UnfillableReason) === 'hold';

/** The listed sources of one entity that the plan holds, and behind which key looking at them again goes on. */
export interface HeldList {
  readonly entityNo: number;
  readonly reasons: readonly string[];
  readonly after: readonly string[] | null;
}

/** How far looking again at everything held has come. */
export interface HeldLooks {
  /** Not looked through yet, the one whose turn it is first; none: the next look begins anew. */
  readonly lists: readonly HeldList[];
  /** Entries closed since this look began. */
  readonly closed: number;
  /** Monotonic time of the next round. */
  readonly dueAtMs: number;
  /** The pause before the look that goes on, ms. */
  readonly pauseMs: number;
}

export const noLooks: HeldLooks = { lists: [], closed: 0, dueAtMs: 0, pauseMs: 0 };

/** What is to be looked through, from the open entries by entity and reason. */
export const heldLists = (
  { entities, plan }: OfPlan & Pick<ProcessState, 'entities'>,
  open: ReadonlyMap<number, Readonly<Record<string, number>>>,
): readonly HeldList[] =>
  entities.flatMap(({ entityNo }) => {
    const reasons = Object.keys(open.get(entityNo) ?? {}).filter((reason) => isHeld({ plan }, entityNo, reason));
    return reasons.length === 0 ? [] : [{ entityNo, reasons, after: null }];
  });

/** About a twentieth of the time goes into what is looked at in vain; from two seconds to a minute where looking again and again finds nothing. */
const idleFactor = 20;
/** On a busy server a look takes seconds; what has become possible meanwhile must not wait for minutes because of that. */
const restMsMax = 20_000;
const pauseMs = { min: 2_000, max: 60_000 } as const;

/** When the next round is due: at once while most of what is looked at can be closed, which is no longer looked at then. Pure. */
export function looksWantedAfter(
  looks: HeldLooks,
  round: { readonly now: number; readonly tookMs: number; readonly looked: number; readonly closed: number },
): HeldLooks {
  const inVain = round.looked === 0 ? 1 : 1 - round.closed / round.looked;
  const restMs = Math.min(restMsMax, round.tookMs * idleFactor * inVain);
  if (looks.lists.length > 0) return { ...looks, dueAtMs: round.now + restMs };
  const longer =
    looks.closed > 0 || round.looked === 0
      ? pauseMs.min
      : Math.min(pauseMs.max, Math.max(pauseMs.min, looks.pauseMs * 1.2));
  return { lists: [], closed: 0, pauseMs: longer, dueAtMs: round.now + Math.max(longer, restMs) };
}
