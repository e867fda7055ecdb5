import type { Client } from '../session/database.js';

/** Statements end at this, whatever the plan allows. */
export const statementMsMax = 250;
/** From the first row lock to COMMIT: below half of the server's default `deadlock_timeout` (1 s), whatever is done in between. */
export const heldMsMax = 450;

/** No time is left for another statement; nothing of this transaction may be committed but what was decided. */
export class TimeHeldSpent extends Error {}

/**
 * The time for which a fill transaction has held rows. `statement_timeout` bounds one statement; a transaction of several, each within it, would
 * hold rows for their sum.
 */
export class TimeHeld {
  private readonly since = performance.now();
  private allowedMs: number;

  constructor(private readonly rowBudgetMs: number) {
    this.allowedMs = statementMs(rowBudgetMs);
  }

  get ms(): number {
    return performance.now() - this.since;
  }

  /** Half of the row budget is not used up: another statement like the last one still fits. */
  get within(): boolean {
    return this.ms < this.rowBudgetMs / 2;
  }

  /** The row budget is used up: what is decided now must be decided quickly. */
  get spent(): boolean {
    return this.ms >= statementMs(this.rowBudgetMs);
  }

  /** Before each further statement: gives it what is left, and no more than one statement may have. */
  async bound(client: Client): Promise<void> {
    const left = Math.floor(heldMsMax - this.ms);
    if (left <= 0) throw new TimeHeldSpent();
    const allowed = Math.min(statementMs(this.rowBudgetMs), left);
    if (allowed === this.allowedMs) return;
    this.allowedMs = allowed;
    await client.query(`set local statement_timeout = ${allowed}`);
  }
}

export const statementMs = (rowBudgetMs: number): number =>
  Math.max(1, Math.min(Math.round(rowBudgetMs), statementMsMax));
