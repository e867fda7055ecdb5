/** Something that was begun and has not ended. */
export interface Wait {
  /** `the stop of filler/orders`: it stands behind "still waiting for". */
  readonly what: string;
  readonly since: Date;
}

interface WaitLog {
  warn(fields: object, text: string): void;
}

/** How long a step of a stop may take before it is said. */
const saidAfterMs = 10_000;

/**
 * What a process that stops waits for, by name: whoever looks at one that does not end learns where. Starts and stops of workers are kept here
 * from when they begin, since a stop waits for those that are under way.
 */
export class Waits {
  private readonly open = new Set<Wait>();

  async during<T>(what: string, work: () => Promise<T> | T): Promise<T> {
    const wait = { what, since: new Date() };
    this.open.add(wait);
    try {
      return await work();
    } finally {
      this.open.delete(wait);
    }
  }

  /** The longest first. */
  list(): readonly Wait[] {
    return [...this.open];
  }

  /** Runs `stop`, and says of each thing once that it is still waited for, when it has been for `afterMs` of the stop. */
  async whileStopping<T>(log: WaitLog, stop: () => Promise<T>, afterMs = saidAfterMs): Promise<T> {
    const began = Date.now();
    const said = new Set<Wait>();
    const look = (): void => {
      for (const wait of this.open) {
        if (said.has(wait) || Date.now() - Math.max(began, wait.since.getTime()) < afterMs) continue;
        said.add(wait);
        const since = wait.since.toISOString();
        log.warn({ waitsFor: wait.what, since }, `stopping: still waiting for ${wait.what}, since ${since}`);
      }
    };
    const looking = setInterval(look, Math.max(10, afterMs / 10));
    try {
      return await stop();
    } finally {
      clearInterval(looking);
    }
  }
}

/** What is waited for and for how long, as one text; empty: for nothing. */
export const waitsText = (waits: readonly Wait[], now = new Date()): string =>
  waits.map(({ what, since }) => `${what} (for ${Math.round((now.getTime() - since.getTime()) / 1_000)} s)`).join(', ');

/** Shorter than what orchestrators give (30 s for Kubernetes, stop_grace_period of the compose file). */
const drainMsMax = 19_000;

/**
 * Waits for a stop for as long as a process may take to end. Nothing durable is in a process: what is under way after that rolls back when its
 * sessions end.
 *
 * @returns what it still waits for after that; null: it has ended.
 */
export async function notDrained(
  stop: Promise<unknown>,
  waits: () => readonly Wait[],
  ms = drainMsMax,
): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => {
      const what = waitsText(waits()) || 'what nobody has named';
      resolve(
        `not drained after ${ms / 1_000} s, still waiting for ${what}; what is under way rolls back when its sessions end`,
      );
    }, ms);
  });
  try {
    return await Promise.race([stop.then(() => null), late]);
  } finally {
    clearTimeout(timer);
  }
}
