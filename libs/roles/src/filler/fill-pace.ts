const rowsMax = 500;
/**
 * A fill that is not full begins no sooner than this after the one before. One transaction costs the database about as much as ten
 * rows of it: a fill for every hint took the application's CPU at 500 inserts a second; see docs/decisions/0005-live-path.md.
 */
export const fillPaceMs = 5;
/** Fill transactions at a time, while more hints wait than one of them takes. */
export const fillsMax = 2;

/**
 * Hints per fill transaction: bounds how long it holds its rows. A transaction that has not the time to single out its bad rows (a slow
 * link, a busy server) decides few of its hints and leaves the rest; in a quarter of them there may be no bad one, and one statement fills all.
 */
export class BatchSize {
  rows = rowsMax;

  /** A look at `count` hints is over; `untried`: it left some for want of time. */
  looked(count: number, untried: boolean): void {
    this.rows = untried ? Math.max(1, Math.floor(count / 4)) : Math.min(rowsMax, 2 * this.rows);
  }
}
