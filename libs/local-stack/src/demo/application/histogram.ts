/** What the application's clients felt, in milliseconds. */
export interface WaitSummary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

const BUCKETS_PER_OCTAVE = 14; // neighbouring buckets lie 5 % apart
const SMALLEST_MS = 0.01;

/** Waits by logarithmic buckets: bounded memory at any rate, quantiles to 5 %, the worst one exact. */
export class Histogram {
  #buckets: number[] = [];
  #count = 0;
  #worst = 0;

  record(ms: number): void {
    const bucket = Math.max(0, Math.round(Math.log2(Math.max(ms, SMALLEST_MS) / SMALLEST_MS) * BUCKETS_PER_OCTAVE));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count += 1;
    this.#worst = Math.max(this.#worst, ms);
  }

  summary(): WaitSummary {
    return { count: this.#count, p50: this.#quantile(0.5), p99: this.#quantile(0.99), worst: round(this.#worst) };
  }

  reset(): void {
    this.#buckets = [];
    this.#count = 0;
    this.#worst = 0;
  }

  #quantile(q: number): number {
    let left = Math.ceil(this.#count * q);
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count ?? 0;
      if (left <= 0 && this.#count > 0) {
        return round(Math.min(SMALLEST_MS * 2 ** (bucket / BUCKETS_PER_OCTAVE), this.#worst));
      }
    }
    return 0;
  }
}

const round = (ms: number): number => Math.round(ms * 100) / 100;
