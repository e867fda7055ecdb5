/** What the application did and what it met. */
export interface Tally {
  transactions: number;
  inserted: number;
  updated: number;
  deleted: number;
  copied: number;
  /** Rows written and taken back, by a rollback or a rolled-back savepoint. */
  rolledBack: number;
  /** Transactions that were held open for seconds with rows in them. */
  held: number;
  organizations: number;
  /** By SQLSTATE, or by the name of a connection error. Must stay empty: the application never does anything wrong. */
  errors: Record<string, number>;
  /** The first few, without the rows' values: operation, code and message. */
  errorSamples: { operation: string; code: string; message: string }[];
}

export const emptyTally = (): Tally => ({
  transactions: 0,
  inserted: 0,
  updated: 0,
  deleted: 0,
  copied: 0,
  rolledBack: 0,
  held: 0,
  organizations: 0,
  errors: {},
  errorSamples: [],
});

const SAMPLES_MAX = 10;

export function countError(tally: Pick<Tally, 'errors' | 'errorSamples'>, operation: string, error: unknown): void {
  const { code = 'unknown', message = String(error) } = error as { code?: string; message?: string };
  tally.errors[code] = (tally.errors[code] ?? 0) + 1;
  if (tally.errorSamples.length < SAMPLES_MAX) tally.errorSamples.push({ operation, code, message });
}

export const errorsOf = (tally: Pick<Tally, 'errors'>): number =>
  Object.values(tally.errors).reduce((sum, count) => sum + count, 0);
