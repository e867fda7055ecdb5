import { messageOf } from '@highwater/kernel';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import type { Access, Client, Row } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { sqlstateOf } from '../session/sqlstate.js';
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
  cursor: string[] | null;
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
    const seen = page.found.reduce((sum, one) => sum + one.rows, 0);
    outcomes.add(page.found);
    hashes.forEach((of, i) => {
      const added = of.stored.add(page[`set${i}`] as Buffer | null) && of.coming.add(page[`new${i}`] as Buffer | null);
      of.room &&= added;
    });
    limits.onRows?.(outcomes.rows);
    if (page.cursor === null || (seen < rows && !page.alone)) break;
    const [pageMs, spentMs] = [performance.now() - pageBegan, performance.now() - began];
    // a small page is one around a row that fails: it says nothing about the others
    const rowsPerMs = seen / Math.max(0.1, pageMs);
    const msToGo = Math.max(0, limits.rows - outcomes.rows) / rowsPerMs;
    if (seen >= firstPageRows && spentMs > speedKnownAfterMs && spentMs + msToGo > msMax) return { rowsPerMs };
    cursor = page.cursor;
    rows = page.alone ? firstPageRows : nextPageRows(rows, seen, pageMs);
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
): Promise<(PageRow & { alone: boolean }) | 'smaller'> {
  const doing = `forecast of ${of.target.derivation.table.ident}`;
  try {
    const scope: Scope = { kind: 'page', fromStart: cursor === null };
    return { ...(await ask(access, doing, foreseeStatement(of, scope), [rows, ...(cursor ?? [])])), alone: false };
  } catch (error) {
    if (!isTransient(error) && rowRefusal(error) === undefined) throw error;
    if (rows > 1) return 'smaller';
    const key = await keyAfter(access, of, cursor);
    const found = [{ what: 'reason:FunctionFailed', rows: 1, keys: key === null ? [] : [key] }];
    return { found: key === null ? [] : found, cursor: key === null ? null : [...key], alone: true };
  }
}

const ask = (access: Access, doing: string, text: string, values: readonly unknown[]): Promise<PageRow> =>
  reading(access, doing, async (client) => {
    const { rows } = await client.query<PageRow>(text, [...values]);
    return rows[0] ?? { found: [], cursor: null };
  });

/** The next key alone: nothing of the rule is computed. */
async function keyAfter(access: Access, of: Foreseen, cursor: KeyText | null): Promise<KeyText | null> {
  const { key, table } = of.target.derivation;
  const bare = { ...of, uniqueKeys: [] };
  const derivation = { ...of.target.derivation, expression: 'null', reason: `''`, referentExists: 'true' };
  const text = foreseeStatement(
    { ...bare, target: { ...of.target, derivation } as Foreseen['target'] },
    { kind: 'page', fromStart: cursor === null },
  );
  const page = await ask(access, `forecast of ${table.ident}`, text, [1, ...(cursor ?? [])]);
  return page.cursor?.length === key.length ? page.cursor : null;
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
      const text = rowsWithHash(of, indexNo, cursor === null);
      const page = await ask(access, 'forecast: looking for colliding rows', text, [examples, rows, ...(cursor ?? [])]);
      keys.push(...((page['keys'] as KeyText[] | null) ?? []));
      if (page.cursor === null || (page['rows'] as number) < rows) break;
      cursor = page.cursor;
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
