import type { HintItem } from './triage.js';

/** Hints that wait for their first look; above this nothing more is taken over from Kafka, which goes on holding it: two fills' worth. */
export const arrivalsMax = 1_000;

/** Hints of all partitions of one assignment in the order of their arrival: one fill transaction serves them together. */
export class Arrivals {
  private items: HintItem[] = [];
  private readonly waiting = new Set<() => void>();
  private closed = false;

  get length(): number {
    return this.items.length;
  }

  add(items: readonly HintItem[]): void {
    for (const item of items) this.items.push(item);
  }

  take(count: number): HintItem[] {
    const taken = this.items.splice(0, count);
    if (this.items.length <= arrivalsMax) this.letIn();
    return taken;
  }

  /** Resolves when there is room again, or nothing is taken any more; `heartbeat` keeps the membership meanwhile. */
  async room(heartbeat: () => Promise<void>, heartbeatEveryMs = 500): Promise<void> {
    while (!this.closed && this.items.length > arrivalsMax) {
      await new Promise<void>((resolve) => {
        const goOn = (): void => {
          clearTimeout(timer);
          this.waiting.delete(goOn); // a halt may last for days, with a heartbeat twice a second
          resolve();
        };
        const timer = setTimeout(goOn, heartbeatEveryMs);
        this.waiting.add(goOn);
      });
      await heartbeat();
    }
  }

  /** The assignment is over, or the filler stops: what is here is dropped and will be delivered again. */
  close(): void {
    this.closed = true;
    this.items = [];
    this.letIn();
  }

  private letIn(): void {
    for (const goOn of [...this.waiting]) goOn();
  }
}
