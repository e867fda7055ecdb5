import { messageOf } from '@highwater/kernel';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import type { Access, Client, Row } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { sqlstateOf } from '../session/sqlstate.js';
import { pageAfter, pageRead, type PageToRead } from '../verify/block-window.js';
import { firstPageRows, nextPageRows, smallerPageRows } from '../verify/page-size.js';
import { KeyHashes, collidingKeys, type CollidingKeys } from './key-hashes.js';
import { Outcomes, keysShownMax, type Found } from './outcome.js';
import { foreseeStatement, needsToCome, rowsWithHash, type Foreseen, type Scope } from './statements.js';

/** The first pages pay for what later ones find in memory. */
const speedKnownAfterMs = 250;

/** No statement of the forecast runs longer: what reads that long holds back vacuum. */
export const statementMsMax = 5_000;
const groupsShownMax = 5;

type KeyText = readonly string[];

/** How long a table may be looked at; undefined times: to the end. */
export interface LookLimits {
  readonly msMax?: number | undefined;
  /** So many rows there are, by the planner's estimate. */
  readonly rows: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRows?: ((rows: number) => void) | undefined;
}

/** All rows would take longer than the time there is. */
export interface TooLong {
  readonly rowsPerMs: number;
}

/** What every row of a table, or a sample of them, would become. */
export interface Look {
  readonly outcomes: Outcomes;
  /** By unique index; null: not known. */
  readonly colliding: readonly (Colliding | null)[];
}
export interface Colliding extends CollidingKeys {
  readonly keys: readonly KeyText[];
}

/** The rule could not be run: said in words that name no value. */
export class NotForeseeable extends Error {}

interface PageRow extends Row {
  found: Found[];
  /** The last key. */
  cursor: string[] | null;
  /** Of a table without a key. */
  blocks?: string;
}

/** What a page had. */
interface PageSeen {
  /** As the server answered it: `found`, and the hashes under their names. */
  readonly answer: Row & { readonly found: readonly Found[] };
  readonly seen: number;
  /** The rows it was meant to have. */
  readonly looked: number;
  /** Where the next one begins; null: the table ends there. */
  readonly cursor: KeyText | null;
  /** One row, and its rule fails: says nothing about those that follow. */
  readonly alone: boolean;
}

/** READ ONLY, so that even a function of the team's cannot write: the server refuses, and no transaction id is taken. */
export async function reading<T>(access: Access, doing: string, work: (client: Client) => Promise<T>): Promise<T> {
  return access.transaction(doing, async (client) => {
    // what a look-up finds is in memory after the first of thousands: an index is better than going through a table of a few pages for each row
    await client.query(
      `set transaction read only; set local statement_timeout = ${statementMsMax}; set local jit = off; set local work_mem = '32MB'; set local random_page_cost = 1`,
    );
    return work(client);
  });
}

/**
 * Every row, in pages by the key, each page a statement and a snapshot of its own; a page that is too slow, or meets a row whose rule fails, is read again
 * smaller, down to that row, which is counted as FunctionFailed.
 *
 * @returns TooLong as soon as the end will not be reached in time.
 */
export async function lookAtAll(access: Access, of: Foreseen, limits: LookLimits): Promise<Look | TooLong> {
  const outcomes = new Outcomes();
  const hashes = of.uniqueKeys.map(() => ({ stored: new KeyHashes(), coming: new KeyHashes(), room: true }));
  const began = performance.now();
  // where a statement begins with finding the entities to come, few statements are better
  let rows = needsToCome(of) ? firstPageRows * 16 : firstPageRows;
  let cursor: KeyText | null = null;
  for (;;) {
    limits.signal?.throwIfAborted();
    const pageBegan = performance.now();
    const msMax = limits.msMax ?? Number.POSITIVE_INFINITY;
    if (pageBegan - began > msMax) return { rowsPerMs: outcomes.rows / (pageBegan - began) };
    const page = await tryPage(access, of, cursor, rows);
    if (page === 'smaller') {
      rows = smallerPageRows(rows);
      continue;
    }
    const { answer, seen } = page;
    outcomes.add(answer.found);
    hashes.forEach((of, i) => {
      const added =
        of.stored.add(answer[`set${i}`] as Buffer | null) && of.coming.add(answer[`new${i}`] as Buffer | null);
      of.room &&= added;
    });
    limits.onRows?.(outcomes.rows);
    if (page.cursor === null) break;
    const [pageMs, spentMs] = [performance.now() - pageBegan, performance.now() - began];
    // a small page is one around a row that fails: it says nothing about the others
    const rowsPerMs = seen / Math.max(0.1, pageMs);
    const msToGo = Math.max(0, limits.rows - outcomes.rows) / rowsPerMs;
    if (seen >= firstPageRows && spentMs > speedKnownAfterMs && spentMs + msToGo > msMax) return { rowsPerMs };
    cursor = page.cursor;
    rows = page.alone ? firstPageRows : nextPageRows(rows, page.looked, pageMs);
  }
  const colliding: (Colliding | null)[] = [];
  for (const [i, { stored, coming, room }] of hashes.entries()) {
    const found = room ? collidingKeys(stored.sorted(), coming.sorted(), groupsShownMax) : null;
    colliding.push(found && { ...found, keys: await keysOf(access, of, i, found, limits) });
  }
  return { outcomes, colliding };
}

async function tryPage(
  access: Access,
  of: Foreseen,
  cursor: KeyText | null,
  rows: number,
): Promise<PageSeen | 'smaller'> {
  const doing = `forecast of ${of.target.derivation.table.ident}`;
  const asked = pageAfter(of.target.derivation, cursor, rows);
  try {
    const answer = await ask(access, doing, foreseeStatement(of, scopeOf(asked, cursor)), [
      asked.limit,
      ...(cursor ?? []),
    ]);
    const seen = answer.found.reduce((sum, one) => sum + one.rows, 0);
    return { answer, seen, ...pageRead(asked, rows, { ...answer, seen, last: answer.cursor }), alone: false };
  } catch (error) {
    if (!isTransient(error) && rowRefusal(error) === undefined) throw error;
    if (rows > 1) return 'smaller';
    const { key, cursor: next } = await keyAfter(access, of, cursor);
    const found = key === null ? [] : [{ what: 'reason:FunctionFailed', rows: 1, keys: [key] }];
    return { answer: { found }, seen: found.length, looked: 1, cursor: next, alone: true };
  }
}

const scopeOf = ({ window }: PageToRead, cursor: KeyText | null) =>
  ({ kind: 'page', fromStart: cursor === null, window }) satisfies Scope;

const ask = (access: Access, doing: string, text: string, values: readonly unknown[]): Promise<PageRow> =>
  reading(access, doing, async (client) => {
    const { rows } = await client.query<PageRow>(text, [...values]);
    return rows[0] ?? { found: [], cursor: null };
  });

/** The next key alone, and where to go on: nothing of the rule is computed. */
async function keyAfter(
  access: Access,
  of: Foreseen,
  cursor: KeyText | null,
): Promise<{ readonly key: KeyText | null; readonly cursor: KeyText | null }> {
  const { table } = of.target.derivation;
  const bare = { ...of, uniqueKeys: [] };
  const derivation = { ...of.target.derivation, expression: 'null', reason: `''`, referentExists: 'true' };
  const asked = pageAfter(derivation, cursor, 1);
  const text = foreseeStatement(
    { ...bare, target: { ...of.target, derivation } as Foreseen['target'] },
    scopeOf(asked, cursor),
  );
  const answer = await ask(access, `forecast of ${table.ident}`, text, [1, ...(cursor ?? [])]);
  const key = answer.cursor;
  return { key, cursor: pageRead(asked, 1, { ...answer, seen: key === null ? 0 : 1, last: key }).cursor };
}

/** A second pass, only where something collides, and only until enough is found. */
async function keysOf(
  access: Access,
  of: Foreseen,
  indexNo: number,
  found: CollidingKeys,
  limits: LookLimits,
): Promise<KeyText[]> {
  const keys: KeyText[] = [];
  if (found.examples.length === 0) return keys;
  const examples = found.examples.map(String);
  let rows = firstPageRows * 10;
  let cursor: KeyText | null = null;
  while (keys.length < keysShownMax) {
    limits.signal?.throwIfAborted();
    try {
      const asked = pageAfter(of.target.derivation, cursor, rows);
      const text = rowsWithHash(of, indexNo, scopeOf(asked, cursor));
      const values = [examples, asked.limit, ...(cursor ?? [])];
      const page = await ask(access, 'forecast: looking for colliding rows', text, values);
      keys.push(...((page['keys'] as KeyText[] | null) ?? []));
      cursor = pageRead(asked, rows, { ...page, seen: page['rows'] as number, last: page.cursor }).cursor;
      if (cursor === null) break;
    } catch (error) {
      if (!(isTransient(error) || rowRefusal(error)) || rows === 1) return keys;
      rows = smallerPageRows(rows);
    }
  }
  return keys.slice(0, keysShownMax);
}

/** The percentage that was taken in the end. */
export interface Sampled {
  readonly outcomes: Outcomes;
  readonly percent: number;
}

/**
 * The rows on some of the table's pages. Too slow: a smaller part, twice. Says nothing about collisions: a sample has one of two equal keys, rarely both.
 *
 * @param percent of the table's pages.
 */
export async function lookAtSample(access: Access, of: Foreseen, percent: number): Promise<Sampled> {
  const doing = `forecast of ${of.target.derivation.table.ident}`;
  const without = { ...of, uniqueKeys: [] };
  for (let [part, tries] = [percent, 1]; ; [part, tries] = [part / 8, tries + 1]) {
    try {
      const { found } = await ask(access, doing, foreseeStatement(without, { kind: 'sample' }), [part]);
      const outcomes = new Outcomes();
      outcomes.add(found);
      return { outcomes, percent: part };
    } catch (error) {
      if (isTransient(error) && tries < 3) continue;
      if (isTransient(error))
        throw new NotForeseeable(`even ${part} % of its pages take longer than ${statementMsMax} ms`);
      if (rowRefusal(error))
        throw new NotForeseeable(`the rule fails on a sampled row (SQLSTATE ${sqlstateOf(error) ?? 'none'})`);
      throw error;
    }
  }
}

/** Whether the access may run it at all: asked of the planner, which checks privileges and reads nothing. */
export async function mayRun(access: Access, of: Foreseen): Promise<true | string> {
  const doing = `forecast of ${of.target.derivation.table.ident}`;
  try {
    await reading(access, doing, (client) =>
      client.query(`explain ${foreseeStatement(of, { kind: 'page', fromStart: true })}`, [1]),
    );
    return true;
  } catch (error) {
    if (sqlstateOf(error) !== '42501') throw databaseError(error, doing);
    return messageOf(error);
  }
}
