import type { Effect } from '../example.js';

/** What the application did and what it met. */
export interface Tally {
  transactions: number;
  /** Rows by what was done to them, counted after their commit. */
  rows: Record<string, number>;
  /** By SQLSTATE, or by the name of a connection error. Must stay empty: the application never does anything wrong. */
  errors: Record<string, number>;
  errorSamples: { operation: string; code: string; message: string }[];
}

export const emptyTally = (): Tally => ({ transactions: 0, rows: {}, errors: {}, errorSamples: [] });

export function count(tally: Tally, effect: Effect): void {
  tally.transactions += 1;
  for (const [what, rows] of Object.entries(effect)) tally.rows[what] = (tally.rows[what] ?? 0) + rows;
}

/** Both counts together, for one report. */
export function sum(a: Tally, b: Tally): Tally {
  const add = (x: Record<string, number>, y: Record<string, number>): Record<string, number> => {
    const all = { ...x };
    for (const [name, n] of Object.entries(y)) all[name] = (all[name] ?? 0) + n;
    return all;
  };
  return {
    transactions: a.transactions + b.transactions,
    rows: add(a.rows, b.rows),
    errors: add(a.errors, b.errors),
    errorSamples: [...a.errorSamples, ...b.errorSamples],
  };
}
