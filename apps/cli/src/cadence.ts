const minute = 60_000;

/**
 * Pause until the next status line (SURFACES UX-02): every second in the first minute and when the end is near, then every 5 s, after
 * ten minutes every 30 s. Nobody reads a line a second for an hour, and nobody waits 30 s to see that it began.
 * @param etaMs what is left, at the median; null: unknown.
 */
export function nextLineMs(elapsedMs: number, etaMs: number | null): number {
  if (elapsedMs < minute || (etaMs !== null && etaMs < minute)) return 1_000;
  return elapsedMs < 10 * minute ? 5_000 : 30_000;
}

/** A full block instead of the line, every ten minutes. */
export const blockEveryMs = 10 * minute;
