import type { ReadinessView } from '@highwater/roles';
import { waitFor } from '../http/held-requests.js';

const askEveryMs = 250;

/**
 * Long poll: asks until readiness is another than the caller has seen (by generation) or, when it has seen none, until it is ready;
 * at most `waitMs`. Answers the last evaluation in any case.
 */
export async function awaitReadiness(
  ask: () => Promise<ReadinessView>,
  seen: string | undefined,
  waitMs: number,
  signal: AbortSignal,
): Promise<ReadinessView> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const readiness = await ask();
    const news = seen === undefined ? readiness.ready : readiness.generation !== seen;
    const left = deadline - performance.now();
    if (news || left <= 0 || !(await waitFor(Math.min(askEveryMs, left), signal))) return readiness;
  }
}
