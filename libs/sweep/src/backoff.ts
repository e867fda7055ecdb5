/**
 * Pause before the next try: doubles from `firstMs` up to `maxMs`, with full jitter in its upper half, so that workers that
 * failed together do not come back together.
 *
 * @param attempt counts from 1. @param random in [0, 1).
 */
export function backoffMs(attempt: number, random: number, limits = { firstMs: 50, maxMs: 5_000 }): number {
  const exponent = Math.min(Math.max(attempt, 1) - 1, 30);
  const ceiling = Math.min(limits.maxMs, limits.firstMs * 2 ** exponent);
  return Math.round(ceiling / 2 + (ceiling / 2) * Math.min(Math.max(random, 0), 1));
}
