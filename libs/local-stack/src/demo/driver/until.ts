import { setTimeout as wait } from 'node:timers/promises';

export interface UntilOptions {
  readonly timeoutMs: number;
  readonly everyMs?: number;
  readonly signal: AbortSignal;
  /** The last known state, for the error. */
  readonly describe?: () => string;
}

/** Asks until the answer is something; the error says what never came, and how things stood. A throw ends it at once. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
  { timeoutMs, everyMs = 100, signal, describe }: UntilOptions,
): Promise<T> {
  for (const deadline = Date.now() + timeoutMs; ;) {
    signal.throwIfAborted();
    const answer = await condition();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) {
      const state = describe?.();
      throw new Error(`${what}: not within ${timeoutMs / 1_000} s${state ? `; last seen: ${state}` : ''}`);
    }
    await wait(everyMs, undefined, { signal });
  }
}
