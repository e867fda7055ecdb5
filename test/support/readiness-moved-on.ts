/** Not ready any more, at another generation, or not evaluated for a while. */
const codes: ReadonlySet<string> = new Set(['HW6011', 'HW6012', 'HW6016']);

/**
 * What a cutover is given on a busy machine: below the server's deadlock_timeout, as the default is (an application whose transaction writes both tables
 * of a foreign key in the other order than we lock them would be the victim of a deadlock with a longer one), and more attempts instead.
 */
export const busyMachine = { lockBudgetMs: 900, lockAttempts: 10 };

/** The same in the body of a request. */
export const busyMachineBody = { lockBudget: `${busyMachine.lockBudgetMs}ms`, lockAttempts: busyMachine.lockAttempts };

/** What a request for a cutover came to; `moved`, what was said, when nothing but readiness having moved on was in its way. */
export type Asked<T> = { readonly answer: T } | { readonly moved: string };

/** `answer`, unless `error`, with which it was refused or failed, says that readiness moved on between the look and the attempt. */
export const outcomeOf = <T>(answer: T, error: { code?: unknown; message?: unknown } | null | undefined): Asked<T> =>
  codes.has(String(error?.code)) ? { moved: String(error?.message) } : { answer };

/** Of a request that was refused with `error`: asked again when readiness moved on, else `thrown` is. */
export function refusedWith(error: Parameters<typeof outcomeOf>[1], thrown: unknown): Asked<never> {
  const outcome = outcomeOf(undefined, error);
  if ('moved' in outcome) return outcome;
  throw thrown;
}

/** Asks again as long as readiness has moved on, as whoever is told so does: an evaluation that began before the look may end after it. */
export async function untilReadinessStays<T>(id: string, request: () => Promise<Asked<T>>): Promise<T> {
  const moved: string[] = [];
  while (moved.length < 10) {
    const outcome = await request();
    if ('answer' in outcome) return outcome.answer;
    moved.push(outcome.moved);
  }
  throw new Error(`readiness of "${id}" moved on each time: ${moved.join('; ')}`);
}
