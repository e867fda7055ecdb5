export interface ChunkLimits {
  /** Longest wait on a row we may cause, from first row lock to COMMIT. */
  readonly rowBudgetMs: number;
  readonly chunkRowsMax: number;
}

/** What one chunk showed. `rows`: rows looked at. `slow`: lock or statement timeout, so nothing was written. */
export type ChunkObservation =
  { readonly outcome: 'written'; readonly rows: number; readonly tookMs: number } | { readonly outcome: 'slow' };

/** First chunk of a worker: small enough for any table, grows within a few chunks. */
export const firstChunkRows = (limits: ChunkLimits): number => Math.min(500, limits.chunkRowsMax);

/** Half of the row budget, so that a chunk that takes twice as long as the last one is still within it. */
export const chunkTargetMs = (limits: ChunkLimits): number => Math.max(1, Math.min(limits.rowBudgetMs / 2, 250));

/** Rows of the next chunk: follows the time the last one took, at most doubles, halves on a timeout; 1 … chunkRowsMax. */
export function nextChunkRows(current: number, observed: ChunkObservation, limits: ChunkLimits): number {
  if (observed.outcome === 'slow') return clamp(Math.floor(current / 2), limits);
  if (observed.rows <= 0) return clamp(current, limits);
  const perRowMs = Math.max(observed.tookMs, 0.1) / observed.rows;
  const fitting = Math.floor(chunkTargetMs(limits) / perRowMs);
  if (fitting >= current) {
    // a chunk that was not full says little about a full one
    const full = observed.rows >= current;
    return clamp(full ? Math.min(fitting, current * 2) : current, limits);
  }
  // one slow chunk (a checkpoint, a cold page) must not throw the size away
  return clamp(Math.max(fitting, Math.floor(current / 2)), limits);
}

const clamp = (rows: number, limits: ChunkLimits): number =>
  Math.max(1, Math.min(Math.max(1, limits.chunkRowsMax), Number.isFinite(rows) ? Math.floor(rows) : 1));
