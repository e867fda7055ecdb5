import { setTimeout as wait } from 'node:timers/promises';
import { messageOf } from '@highwater/kernel';

const STEP_MS_MAX = 30_000;

/** What was started, undone in the opposite order, each part bounded and whatever the others do. */
export class Cleanup {
  readonly #steps: { what: string; undo: () => Promise<unknown> }[] = [];

  add(what: string, undo: () => Promise<unknown>): void {
    this.#steps.push({ what, undo });
  }

  /** What could not be undone. */
  async run(): Promise<string[]> {
    const failures: string[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      const stop = new AbortController();
      const late = wait(STEP_MS_MAX, 'late', { signal: stop.signal, ref: true }).catch(() => undefined);
      try {
        const how = await Promise.race([step.undo(), late]);
        if (how === 'late') failures.push(`${step.what}: not done after ${STEP_MS_MAX / 1_000} s`);
      } catch (error) {
        failures.push(`${step.what}: ${messageOf(error)}`);
      }
      stop.abort();
    }
    return failures;
  }
}
