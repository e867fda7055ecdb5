import type { UnfillableReason } from '@highwater/kernel';
import { entityPolicyOf } from '@highwater/plan';
import type { ProcessState } from './process-state.js';

type OfPlan = Pick<ProcessState, 'plan'>;

/** Whether the plan holds sources of this entity that are listed with this reason. */
export const isHeld = ({ plan }: OfPlan, entityNo: number, reason: string): boolean =>
  entityPolicyOf(plan.entities[entityNo] ?? {}, reason as UnfillableReason) === 'hold';

/** Open entries that the plan holds, of all entities. */
export function countHeld(process: OfPlan, open: ReadonlyMap<number, Readonly<Record<string, number>>>): number {
  let held = 0;
  for (const [entityNo, reasons] of open)
    for (const [reason, count] of Object.entries(reasons)) if (isHeld(process, entityNo, reason)) held += count;
  return held;
}
