import type { UnfillableReason } from '@highwater/kernel';
import type { PlannedEntity, PlannedTable, UnfillablePolicy } from './plan.js';

/**
 * What a row without a value means that is listed with this reason. A column that shall become NOT NULL holds them all; one that may stay
 * NULL leaves those that the plan does not hold.
 */
export function policyOf(
  { notNull, unfillable }: Pick<PlannedTable, 'notNull' | 'unfillable'>,
  reason: UnfillableReason,
): UnfillablePolicy {
  if (notNull) return 'hold';
  if (typeof unfillable === 'string') return unfillable;
  return unfillable?.[reason] ?? 'leaveNull';
}

/**
 * What a source means of which no entity can be made. Held unless the plan says otherwise: nobody else notices an entity that is missing, while
 * a row that needs it is listed too.
 */
export function entityPolicyOf(
  { unfillable }: Pick<PlannedEntity, 'unfillable'>,
  reason: UnfillableReason,
): UnfillablePolicy {
  if (typeof unfillable === 'string') return unfillable;
  return unfillable?.[reason] ?? 'hold';
}
