import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '@highwater/kernel';
import { cancelledBy } from '../session/cancel-on-abort.js';
import type { Access, Client } from '../session/database.js';
import { databaseError, isConnectionLoss } from '../session/errors.js';
import { isSqlstate, sqlstate, sqlstateOf } from '../session/sqlstate.js';

/** What a query of the plan answered. */
export interface AssertionResult {
  readonly name: string;
  /** Must be 0. Null: no number came, and `error` says why. */
  readonly found: number | null;
  /** Never a value of a row. */
  readonly error: string | null;
}

const timeoutMs = 30_000;
/** What an application writes in two transactions is whole a moment after the first: a count that is not 0 is taken again so often, so far apart. */
const looksAgain = 2;
const againAfterMs = 500;

/**
 * Runs the plan's own queries as `runAssertions` does, and those that found something again: while an application writes, rows are always on
 * their way to their partners, and a count that is 0 at one of the looks was 0. The smallest count is answered. `signal` ends the query under way.
 */
export async function runLastingAssertions(
  fill: Access,
  assertions: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<AssertionResult[]> {
  let results = await runAssertions(fill, assertions, signal);
  for (let look = 0; look < looksAgain; look += 1) {
    const found = results.filter((one) => one.found !== null && one.found !== 0).map((one) => one.name);
    if (found.length === 0) break;
    await pause(againAfterMs);
    const asked = Object.fromEntries(found.map((name) => [name, assertions[name] ?? '']));
    const again = await runAssertions(fill, asked, signal);
    results = results.map((one) =>
      smaller(
        one,
        again.find(({ name }) => name === one.name),
      ),
    );
  }
  return results;
}

const smaller = (one: AssertionResult, again: AssertionResult | undefined): AssertionResult => {
  if (again === undefined) return one;
  const size = ({ found }: AssertionResult): number => Math.abs(found ?? 0);
  return again.found === null || size(again) < size(one) ? again : one;
};

/**
 * Runs the plan's own queries, each in a read-only transaction with a timeout, as the access that reads what the rules read. A query becomes a
 * sub-select with a parameter beside it: so it is one SELECT and nothing else, whatever its text says.
 */
export async function runAssertions(
  fill: Access,
  assertions: Readonly<Record<string, string>>,
  signal?: AbortSignal,
): Promise<AssertionResult[]> {
  const results: AssertionResult[] = [];
  for (const [name, query] of Object.entries(assertions)) results.push(await runOne(fill, name, query, signal));
  return results;
}

async function runOne(
  fill: Access,
  name: string,
  query: string,
  signal: AbortSignal | undefined,
): Promise<AssertionResult> {
  try {
    const rows = await readOnly(fill, name, (client) =>
      cancelledBy(fill, client, signal, async () => {
        const answer = await client.query({ text: asSelect(query, 'limit $1::int'), values: [2], rowMode: 'array' });
        return answer.rows as unknown[][];
      }),
    );
    const [row] = rows;
    const text = rows.length === 1 && row?.length === 1 ? String(row[0]) : '';
    if (/^-?\d{1,15}(\.0*)?$/.test(text)) return { name, found: Number(text), error: null };
    const what =
      rows.length === 1
        ? `${row?.length ?? 0} columns or no number`
        : `${rows.length === 0 ? 'no row' : 'several rows'}`;
    return { name, found: null, error: `expected one row with one number, found ${what}` };
  } catch (error) {
    signal?.throwIfAborted();
    if (isConnectionLoss(error)) throw databaseError(error, `assertion "${name}"`); // says nothing about the assertion
    return { name, found: null, error: reasonOf(error) };
  }
}

/** Whether each can be run at all: planned by the server, not executed. */
export async function explainAssertions(
  fill: Access,
  assertions: Readonly<Record<string, string>>,
): Promise<{ readonly name: string; readonly error: string; readonly sqlstate: string | undefined }[]> {
  const failed = [];
  for (const [name, query] of Object.entries(assertions))
    try {
      await readOnly(fill, name, (client) => client.query(`explain ${asSelect(query, 'where $1::bool')}`, [true]));
    } catch (error) {
      if (isConnectionLoss(error)) throw databaseError(error, `assertion "${name}"`);
      failed.push({ name, error: reasonOf(error), sqlstate: sqlstateOf(error) });
    }
  return failed;
}

/** On lines of its own, so that a comment at its end takes nothing along. */
const asSelect = (query: string, rest: string): string =>
  `select * from (\n${query.trim().replace(/;$/, '')}\n) as assertion ${rest}`;

/** Names without a schema mean `public`, as everywhere in a plan; what the catalog has goes first. */
const readOnly = <T>(fill: Access, name: string, work: (client: Client) => Promise<T>): Promise<T> =>
  fill.lasting.transaction(`assertion "${name}"`, async (client) => {
    await client.query(
      `set transaction read only; set local statement_timeout = ${timeoutMs}; set local search_path = pg_catalog, public, pg_temp`,
    );
    return work(client);
  });

/** Errors of class 42 name objects and words of the query; every other message may quote a value. */
function reasonOf(error: unknown): string {
  const state = sqlstateOf(error);
  if (isSqlstate(error, sqlstate.queryCanceled)) return `took longer than ${timeoutMs / 1_000} s`;
  return state?.startsWith('42') === true
    ? `${messageOf(error)} (SQLSTATE ${state})`
    : `refused by the server with SQLSTATE ${state ?? 'unknown'}`;
}
