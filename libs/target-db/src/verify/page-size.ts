/** Small enough for any table; grows within a few pages. */
export const firstPageRows = 1_000;
/** Long enough that the statement's own cost disappears, short enough to be repeated without loss. */
const pageMsTarget = 1_000;
const pageRowsMax = 50_000;

/** Rows of the next page: follows the time the last one took, at most doubles, at most halves. */
export function nextPageRows(current: number, checked: number, tookMs: number): number {
  if (checked < current) return current; // a page that was not full says little about a full one
  const fitting = Math.floor((checked * pageMsTarget) / Math.max(1, tookMs));
  return Math.max(1, Math.min(pageRowsMax, current * 2, Math.max(fitting, Math.floor(current / 2))));
}

/** After a page that failed: a few tries lead from the largest page to the one guilty row. */
export const smallerPageRows = (current: number): number => Math.max(1, Math.floor(current / 8));
