import { throttle, type ThrottleLimits, type ThrottleSignals, type ThrottleVerdict } from '@highwater/sweep';
import { readThrottleSignals, type Access } from '@highwater/target-db';

/** How old a reading may be: one statement per second, however many workers ask. */
const readingMsMax = 1_000;

/** Reads the signals at most once a second for all workers of a process and turns them into a verdict. */
export class ThrottleWatch {
  private signals: Omit<ThrottleSignals, 'lastChunk'> | undefined;
  private readAt = -Infinity;
  private reading: Promise<void> | undefined;
  private verdict: ThrottleVerdict = { go: true };
  private since = Date.now();

  constructor(
    private readonly state: Access,
    private readonly of: { readonly relids: readonly number[]; readonly slot: string | null },
  ) {}

  async judge(lastChunk: ThrottleSignals['lastChunk'], limits: ThrottleLimits): Promise<ThrottleVerdict> {
    if (performance.now() - this.readAt > readingMsMax || !this.signals)
      await (this.reading ??= this.read().finally(() => {
        this.reading = undefined;
      }));
    const verdict = this.signals ? throttle({ ...this.signals, lastChunk }, limits) : ({ go: true } as const);
    if (reasonOf(verdict) !== reasonOf(this.verdict)) this.since = Date.now();
    this.verdict = verdict;
    return verdict;
  }

  /** The last verdict and since when its reason holds. */
  get current(): { readonly verdict: ThrottleVerdict; readonly since: Date } {
    return { verdict: this.verdict, since: new Date(this.since) };
  }

  private async read(): Promise<void> {
    this.signals = await readThrottleSignals(this.state, this.of);
    this.readAt = performance.now();
  }
}

const reasonOf = (verdict: ThrottleVerdict): string => (verdict.go === true ? '' : verdict.reason);
