import { setTimeout as pause } from 'node:timers/promises';

/** Asks until there is an answer or the time is over (then undefined). Monotonic clock; ends at once when aborted. */
export async function waitUntil<T>(
  ask: () => Promise<T | undefined>,
  { limitMs, everyMs = 50, signal }: { limitMs: number; everyMs?: number; signal?: AbortSignal },
): Promise<T | undefined> {
  const end = performance.now() + limitMs;
  for (;;) {
    signal?.throwIfAborted();
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() >= end) return undefined;
    await pause(everyMs, undefined, signal ? { signal } : {});
  }
}
