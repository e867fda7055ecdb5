import { setTimeout as delay } from 'node:timers/promises';

/** Growing, jittered pause before the next bounded try: 100 ms, 200 ms, … at most 5 s. Rejects when `signal` is aborted. */
export const pauseBeforeTry = (attempt: number, signal?: AbortSignal): Promise<void> =>
  delay(
    Math.min(5_000, 100 * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2),
    undefined,
    signal === undefined ? {} : { signal },
  );
