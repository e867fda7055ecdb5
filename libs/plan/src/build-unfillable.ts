import { defined } from './defined.js';
import type { UnfillablePolicies, UnfillablePolicy } from './plan.js';
import type { TableInput } from './schema.js';

/** The policies of a table or an entity. A reason written without a value says nothing. */
export function buildUnfillable(input: TableInput['unfillable']): {
  readonly unfillable?: UnfillablePolicy | UnfillablePolicies;
} {
  if (input === undefined) return {};
  return { unfillable: typeof input === 'string' ? input : (defined(input) as UnfillablePolicies) };
}
