import { setTimeout as pause } from 'node:timers/promises';
import type { HighwaterError } from '@highwater/kernel';

const lookEveryMs = 200;

/** Why an attempt under way must end before it is through; undefined: it may go on. */
export type AskToStop = () => Promise<HighwaterError | undefined>;

export interface StopWatch {
  /** Aborted with the reason, or with the process. */
  readonly signal: AbortSignal;
  /** Set once somebody asked to stop; the end of the process is none. */
  readonly reason: () => HighwaterError | undefined;
  readonly stop: () => void;
}

/** Looks while a long act runs. The first look is done when it resolves, so that what is stopped already does not take a step. */
export async function watchForStop(ask: AskToStop, ended: AbortSignal): Promise<StopWatch> {
  const stopped = new AbortController();
  const done = new AbortController();
  let reason: HighwaterError | undefined;
  const look = async (): Promise<void> => {
    reason ??= await ask().catch(() => undefined); // unanswered: the act meets the same server, and fails by itself
    if (reason) stopped.abort(reason);
  };
  await look();
  void (async () => {
    const { signal } = done;
    while (!signal.aborted && !reason) {
      await pause(lookEveryMs, undefined, { signal }).catch(() => undefined);
      if (!signal.aborted) await look();
    }
  })();
  return {
    signal: AbortSignal.any([ended, stopped.signal]),
    reason: () => reason,
    stop: () => done.abort(),
  };
}
