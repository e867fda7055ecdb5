import { randomBytes } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import type { Desk } from './example.js';

export async function transaction(
  client: pg.Client,
  work: () => Promise<void>,
  end: 'commit' | 'rollback' = 'commit',
): Promise<void> {
  await client.query('begin');
  await work();
  await client.query(end);
}

export const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));

const OWN_ROWS_KEPT = 500;
/** Adds to what a writer has made, and forgets the oldest. */
export const keep = <T>(list: T[], ...items: T[]): void => {
  list.push(...items);
  list.splice(0, Math.max(0, list.length - OWN_ROWS_KEPT));
};

/** An id in the shape of Prisma's, behind all that were seeded; one in eight somewhere inside of history, where a sweep has been. */
export function cuid(random: Desk<unknown>['random'], kind: string): string {
  const unique = randomBytes(8).toString('hex');
  if (random.next() < 1 / 8) return `c${kind}0000${random.hex(3)}x${unique.slice(0, 14)}`;
  return `cz${Math.floor(Date.now() / 1000)
    .toString(16)
    .padStart(8, '0')}${unique.slice(0, 15)}`;
}

const FILLED_MS_MAX = 3_600_000;
/** Waits until the query has a row: in life the next request comes an hour later. A stopped application waits no longer. */
export async function untilThere({ client, stop }: Desk<unknown>, query: string, values: unknown[]): Promise<void> {
  for (const deadline = Date.now() + FILLED_MS_MAX; Date.now() < deadline && !stop.aborted;) {
    if ((await client.query(query, values)).rows.length > 0) return;
    await wait(20, undefined, { signal: stop }).catch(() => undefined);
  }
  if (!stop.aborted) throw new Error(`not within ${FILLED_MS_MAX / 60_000} minutes: ${query}`);
}

/** For a transaction that is held open: two to four seconds, less when the application is told to stop. */
export const held = async ({ random, stop }: Desk<unknown>): Promise<void> => {
  await wait(random.between(2_000, 4_000), undefined, { signal: stop }).catch(() => undefined);
};
