/** How an operator bounds the lock attempts of a verb that takes a lock on the tables, and says why. */
export interface LockOptions {
  readonly reason: string;
  readonly lockBudget?: string;
  readonly lockAttempts?: number;
}

/** The request's body: what was not said is left to the plan. */
export const lockRequest = ({ reason, lockBudget, lockAttempts }: LockOptions): Record<string, unknown> => ({
  reason,
  ...(lockBudget === undefined ? {} : { lockBudget }),
  ...(lockAttempts === undefined ? {} : { lockAttempts }),
});
