import type { Client } from '../session/database.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import type { FillTarget } from '../target.js';
import { isTransient, rowRefusal, type RowRefusal } from './row-error.js';
import { ruleRefusal } from './rule-refusal.js';
import { TimeHeldSpent, type TimeHeld } from './time-held.js';
import { writeRows, type UnfilledRow, type Written } from './write-rows.js';

/** What became of the first `decided` rows of the list; the rest was not tried for want of time. */
export interface BisectResult {
  readonly decided: number;
  readonly filled: number;
  readonly unfilled: readonly UnfilledRow[];
  /** Rows that something else holds up: a parent or a unique key under way, or slower than the budget. */
  readonly contended: readonly (readonly string[])[];
}

/** Waits add up while rows are singled out. */
const rowLockTimeoutMs = 5;

/**
 * Writes locked rows, halving on an error until only the guilty row is left, which is listed instead of written. From left to right, so that
 * when the time for which rows may be held is over, a prefix is decided and the caller can commit it; it may be empty.
 * Errors that would hit any row alike are thrown.
 */
export const bisect = (
  client: Client,
  target: FillTarget,
  keys: readonly (readonly string[])[],
  held: TimeHeld,
): Promise<BisectResult> =>
  halve(client, keys, held, {
    write: (some) => writeRows(client, target, { naming: 'key', count: some.length, keys: some }),
    blame: async (key, refusal) => (await ruleRefusal(client, target, key)) ?? refusal,
  });

/** How one kind of rows is written, and what is said of a single row that the server refuses. */
export interface Halved {
  write(keys: readonly (readonly string[])[]): Promise<Written>;
  blame(key: readonly string[], refusal: RowRefusal): Promise<RowRefusal>;
}

/** The same for anything that is written by key. */
export async function halve(
  client: Client,
  keys: readonly (readonly string[])[],
  held: TimeHeld,
  { write, blame }: Halved,
): Promise<BisectResult> {
  let [decided, filled] = [0, 0];
  const unfilled: UnfilledRow[] = [];
  const contended: (readonly string[])[] = [];
  const segments: [number, number][] = keys.length > 0 ? [[0, keys.length]] : [];
  // a constraint that waits for COMMIT would blame the whole transaction; a row that waits would use up the time of all others
  await client.query(`set constraints all immediate; set local lock_timeout = ${rowLockTimeoutMs}`);
  for (let segment = segments.pop(); segment; segment = segments.pop()) {
    const [from, to] = segment;
    if (decided > 0 && !held.within) break;
    try {
      await held.bound(client);
    } catch (error) {
      if (error instanceof TimeHeldSpent) break;
      throw error;
    }
    await client.query('savepoint rows');
    try {
      const written = await write(keys.slice(from, to));
      await client.query('release savepoint rows');
      filled += written.filled;
      unfilled.push(...written.unfilled);
      decided = to;
    } catch (error) {
      const refusal = rowRefusal(error);
      if (!refusal && !isTransient(error)) throw error;
      await client.query('rollback to savepoint rows; release savepoint rows');
      if (to - from > 1) {
        // when the time that all locked rows are held for is used up: one more row, and the rest is another transaction's
        const slow = isSqlstate(error, sqlstate.queryCanceled) || held.spent;
        const middle = slow ? from + 1 : from + Math.floor((to - from) / 2);
        segments.push([middle, to], [from, middle]);
        continue;
      }
      const key = keys[from] ?? [];
      if (refusal) unfilled.push({ key, ...(await blame(key, refusal)) });
      else contended.push(key);
      decided = to;
    }
  }
  return { decided, filled, unfilled, contended };
}
