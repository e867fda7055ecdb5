import type { UnfillableReason } from '@highwater/kernel';
import { entityPolicyOf } from '@highwater/plan';
import type { ProcessState } from './process-state.js';

type OfPlan = Pick<ProcessState, 'plan'>;

/** Whether the plan holds sources of this entity that are listed with this reason. */
export const isHeld = ({ plan }: OfPlan, entityNo: number, reason: string): boolean =>
  entityPolicyOf(plan.entities[entityNo] ?? {}, reason as UnfillableReason) === 'hold';
