/** A key as the server's own text, one element per key column. Opaque here: only PostgreSQL compares keys. */
export type KeyText = readonly string[];

/** One leased part of a table: keys in (lowerExclusive, upperInclusive]; null is unbounded. */
export interface SweepRange {
  readonly rangeNo: number;
  readonly lowerExclusive: KeyText | null;
  readonly upperInclusive: KeyText | null;
  readonly rowsEstimated: number;
}

/** How many ranges a table is split into: several per worker, so that the last ones end together; none smaller than a few chunks. */
export function rangeCount(input: { rowsEstimated: number; workers: number; chunkRowsMax: number }): number {
  const byWorkers = Math.max(1, input.workers) * 4;
  const byRows = Math.floor(input.rowsEstimated / (input.chunkRowsMax * 4));
  return Math.max(1, Math.min(byWorkers, byRows, 64));
}

/**
 * Splits a table at sampled keys.
 *
 * @param samples keys in the server's order, none above `upper`; only their positions are used.
 * @param upper the last key read at the start; the last range ends there, rows behind it belong to the stream.
 */
export function splitRanges(input: {
  samples: readonly KeyText[];
  upper: KeyText;
  count: number;
  rowsEstimated: number;
}): SweepRange[] {
  const { samples, upper } = input;
  const count = Math.max(1, Math.min(input.count, samples.length + 1));
  const splits: KeyText[] = [];
  for (let i = 1; i < count; i += 1) {
    const split = samples[Math.floor((i * samples.length) / count)];
    const last = splits.at(-1);
    if (split && !sameKey(split, last) && !sameKey(split, upper)) splits.push(split);
  }
  const bounds: (KeyText | null)[] = [null, ...splits, upper];
  const ranges = bounds.length - 1;
  const share = Math.floor(input.rowsEstimated / ranges);
  return Array.from({ length: ranges }, (_, rangeNo) => ({
    rangeNo,
    lowerExclusive: bounds[rangeNo] ?? null,
    upperInclusive: bounds[rangeNo + 1] ?? null,
    rowsEstimated: rangeNo === ranges - 1 ? Math.max(0, input.rowsEstimated - share * (ranges - 1)) : share,
  }));
}

/** Equal text, so the same key; unequal text says nothing. */
function sameKey(a: KeyText, b: KeyText | undefined): boolean {
  return b !== undefined && a.length === b.length && a.every((part, i) => part === b[i]);
}
