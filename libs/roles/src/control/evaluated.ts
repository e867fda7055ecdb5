import { readEvaluation, type Evaluation } from '@highwater/target-db';
import { notEvaluated } from './refusals.js';
import { waitUntil } from './wait-until.js';

type Access = Parameters<typeof readEvaluation>[0];

/** How long who asks waits for the first evaluation: a control process begins one within two seconds of the plan. */
const firstWithinMs = 10_000;

/**
 * The last evaluation of a migration. In the moment after its plan was accepted there is none: then this waits for it, so that who plans and asks
 * at once, as scripts do, gets an answer. Throws HW6016 when there is none after 10 s, or none younger than `ageMsMax`.
 */
export async function evaluated(state: Access, id: string, ageMsMax = Number.POSITIVE_INFINITY): Promise<Evaluation> {
  const found = await waitUntil(() => readEvaluation(state, id), { limitMs: firstWithinMs, everyMs: 100 });
  if (!found || found.ageMs > ageMsMax) throw notEvaluated(id, found?.ageMs);
  return found;
}
