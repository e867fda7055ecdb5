import type { Plan } from './plan.js';

/** The plan as plain JSON data: `bigint` becomes decimal text, everything else stays. */
export function planToJson(plan: Plan): Readonly<Record<string, unknown>> {
  return JSON.parse(
    JSON.stringify(plan, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)),
  ) as Record<string, unknown>;
}
