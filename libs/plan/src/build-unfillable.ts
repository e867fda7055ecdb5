import type { UnfillablePolicies, UnfillablePolicy } from './plan.js';
import type { TableInput } from './schema.js';

/** The policies of a table or an entity. A reason written without a value says nothing. */
export function buildUnfillable(input: TableInput['unfillable']): {
  readonly unfillable?: UnfillablePolicy | UnfillablePolicies;
} {
  if (input === undefined || typeof input === 'string') return input === undefined ? {} : { unfillable: input };
  const named = Object.entries(input).filter(([, policy]) => policy !== undefined);
  return { unfillable: Object.fromEntries(named) as UnfillablePolicies };
}
