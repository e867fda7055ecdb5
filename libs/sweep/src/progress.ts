/** Rows done and expected at one moment of running time (paused time left out). */
export interface RateSample {
  readonly runningMs: number;
  readonly rowsDone: number;
}

export type Eta =
  | { readonly kind: 'unknown'; readonly reason: 'TooEarly' | 'NoEstimate' }
  | { readonly kind: 'range'; readonly p50Ms: number; readonly p90Ms: number }
  | { readonly kind: 'due' };

const shareMin = 0.01;
const runningMsMin = 60_000;

/**
 * When the sweep will be done, from the rates between neighbouring samples: the median for p50, the slow tenth for p90. Unknown below 1 % or
 * one minute of running time: an early guess is wrong and stays in people's heads. Known from then on, also while it is throttled.
 */
export function estimateEta(samples: readonly RateSample[], rowsExpected: number): Eta {
  const last = samples.at(-1);
  if (rowsExpected <= 0) return { kind: 'unknown', reason: 'NoEstimate' };
  if (!last) return { kind: 'unknown', reason: 'TooEarly' };
  if (last.rowsDone >= rowsExpected) return { kind: 'due' };
  if (last.runningMs < runningMsMin || last.rowsDone < rowsExpected * shareMin)
    return { kind: 'unknown', reason: 'TooEarly' };
  const rates: number[] = [];
  for (let i = 1; i < samples.length; i += 1) {
    const [before, after] = [samples[i - 1] as RateSample, samples[i] as RateSample];
    const ms = after.runningMs - before.runningMs;
    if (ms > 0) rates.push(Math.max(0, after.rowsDone - before.rowsDone) / ms);
  }
  if (rates.length === 0 && last.runningMs > 0) rates.push(last.rowsDone / last.runningMs);
  rates.sort((a, b) => a - b);
  const [median, slow] = [quantile(rates, 0.5), quantile(rates, 0.1)];
  // throttled for most of the window: what it did on the whole is a better guess than none
  const usual = median > 0 ? median : last.rowsDone / last.runningMs;
  const remaining = rowsExpected - last.rowsDone;
  const p50Ms = Math.round(remaining / usual);
  return { kind: 'range', p50Ms, p90Ms: Math.max(p50Ms, Math.round(remaining / Math.max(slow, usual / 10))) };
}

function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return 0;
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
}

/** Moving window of rate samples: keeps at most `windowMax`, thinned by time. Leaves out paused time by only counting while `running`. */
export class RateWindow {
  private readonly kept: RateSample[] = [];
  private runningMs = 0;
  private lastAtMs: number | undefined;
  constructor(
    private readonly everyMs = 1_000,
    private readonly windowMax = 120,
  ) {}

  /** @param atMs monotonic clock. */
  observe(atMs: number, rowsDone: number, running: boolean): void {
    if (this.lastAtMs !== undefined && running) this.runningMs += Math.max(0, atMs - this.lastAtMs);
    this.lastAtMs = atMs;
    const last = this.kept.at(-1);
    if (last && this.runningMs - last.runningMs < this.everyMs) return;
    this.kept.push({ runningMs: this.runningMs, rowsDone });
    if (this.kept.length > this.windowMax) this.kept.shift();
  }

  get samples(): readonly RateSample[] {
    return this.kept;
  }

  /** Rows per second over the window's last ten samples; 0 while there is none. */
  rowsPerSecond(): number {
    const [first, last] = [this.kept.at(-10) ?? this.kept[0], this.kept.at(-1)];
    if (!first || !last || last.runningMs <= first.runningMs) return 0;
    return (Math.max(0, last.rowsDone - first.rowsDone) * 1_000) / (last.runningMs - first.runningMs);
  }
}

/**
 * Percent done, never over 100 and 100 only when `complete`: an estimate that proved too low is shown as too low, not as 103 %.
 * Undefined while the total is unknown.
 */
export function percentDone(rowsDone: number, rowsExpected: number, complete: boolean): number | undefined {
  if (complete) return 100;
  if (!(rowsExpected > 0)) return undefined;
  return Math.max(0, Math.min(99.9, Math.floor((rowsDone / rowsExpected) * 1_000) / 10));
}
