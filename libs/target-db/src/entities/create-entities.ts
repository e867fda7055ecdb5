import type { UnfillableReason } from '@highwater/kernel';
import { deadLetters } from '../fill/cast-hints.js';
import { halve } from '../fill/bisect.js';
import { keyColumns } from '../fill/key-text.js';
import { isTransient, rowRefusal, WriteTakenBack } from '../fill/row-error.js';
import { TimeHeld } from '../fill/time-held.js';
import { openFill, orRollBack, type FillBudget } from '../fill/transaction.js';
import type { UnfilledRow, Written } from '../fill/write-rows.js';
import type { GateName } from '../gate/enter-gate.js';
import type { Access, Client } from '../session/database.js';
import type { EntityTarget } from '../target.js';
import { askAround } from './ask-around.js';
import { judge, refusalToLook, settledBefore, type Judged, type PlacedKey } from './judge-sources.js';
import { makeEntities, sourceAlone, sourcesAfter, sourcesLeft, sourcesOf } from './statements.js';
import { listUnfillableEntities } from './unfillable-entities.js';

/** One source row whose entity may be missing. Without `xid` nobody asks whether its transaction is visible. */
export interface SourceKey {
  readonly key: readonly string[];
  /** xid8, decimal text: of a hint. */
  readonly xid?: string;
  /** Judge now, whatever its transaction: nobody holds it. */
  readonly forced?: boolean;
}

export type EntityRequest =
  | { readonly kind: 'keys'; readonly keys: readonly SourceKey[] }
  /** The next `limit` sources in the order of their key, null: from the first. */
  | { readonly kind: 'after'; readonly after: readonly string[] | null; readonly limit: number };

/**
 * `made`, or `there` already, whoever made it. `gone`: the source is. `contended`: something holds it up, look again. `parked`: its transaction is
 * not visible yet. `waiting`: the application makes these.
 */
export type EntityVerdict =
  | { readonly verdict: 'made' | 'there' | 'gone' | 'parked' | 'contended' | 'waiting' }
  | { readonly verdict: 'unfillable'; readonly reason: UnfillableReason }
  | { readonly verdict: 'dead_letter'; readonly reason: 'KeyNotUsable' };

export type EntityOutcome =
  | {
      readonly kind: 'judged';
      /** One for each key, by position; of a page in the order of the sources. */
      readonly verdicts: readonly EntityVerdict[];
      /** Rows inserted; two sources may mean one. */
      readonly made: number;
      /** The page's last source key, where the next page begins; null: there were no more sources. Of `keys` null. */
      readonly last: readonly string[] | null;
      /** Of a page: there may be sources behind it. */
      readonly more: boolean;
    }
  | { readonly kind: 'gateClosed' };

/**
 * Makes the entities of some sources if absent, in short transactions of their own behind the gate. A source that the server refuses, or even to look at, is
 * singled out and listed, the others get theirs; what waits for somebody else beyond the budget is `contended`, and never waited for longer.
 */
export async function createEntities(
  fill: Access,
  target: EntityTarget,
  request: EntityRequest,
  budget: FillBudget,
  gate: GateName,
): Promise<EntityOutcome> {
  const { keys, more }: Page =
    request.kind === 'keys'
      ? { keys: request.keys, more: false }
      : await page(fill, target, request.after, request.limit);
  const last = request.kind === 'keys' ? null : (keys[keys.length - 1]?.key ?? null);
  if (target.entity.createdBy === 'application')
    return { kind: 'judged', verdicts: await awaited(fill, target, request.kind, keys), made: 0, last, more };
  const verdicts = new Map<number, EntityVerdict>();
  const dead = request.kind === 'keys' ? await deadKeys(fill, target, keys) : new Set<number>();
  for (const i of dead) verdicts.set(i, { verdict: 'dead_letter', reason: 'KeyNotUsable' });
  keys.forEach(({ there }, place) => there === true && verdicts.set(place, { verdict: 'there' }));
  let made = 0;
  let careful = false;
  let portion = Math.min(keys.length, portionMax);
  /** Only because looking at one of them is refused. */
  let narrowed = false;
  for (;;) {
    const open = keys.flatMap((source, place) => (verdicts.has(place) ? [] : [{ ...source, place }])).slice(0, portion);
    if (open.length === 0) break;
    const contended = (): void => open.forEach(({ place }) => verdicts.set(place, { verdict: 'contended' }));
    try {
      const done = await fill.session('making entities', (client) =>
        orRollBack(client, () => makeOnce(client, target, open, { budget, gate, careful })),
      );
      if (done === undefined) return { kind: 'gateClosed' };
      made += done.made;
      done.verdicts.forEach((verdict, place) => verdicts.set(place, verdict));
      if (done.verdicts.size === 0) contended();
      if (narrowed) portion = Math.min(portionMax, portion * 2);
    } catch (error) {
      const refused = rowRefusal(error) !== undefined;
      if (!refused && !isTransient(error)) throw error;
      if (careful && refused && open.length === 1) {
        const alone = await listAlone(fill, target, open[0] as PlacedKey, budget, gate);
        if (alone === undefined) return { kind: 'gateClosed' };
        open.forEach(({ place }) => verdicts.set(place, alone));
      } else if (careful && !refused && portion <= carefulBelow) contended();
      // refused: the guilty one is singled out. Slow, or held up: fewer at a time, then one by one
      else if (!careful && (refused || portion <= carefulBelow)) careful = true;
      else {
        // where even looking at a source is refused, and not only writing, the transactions get smaller until it stands alone
        narrowed = refused;
        portion = Math.ceil(open.length / 2);
      }
    }
  }
  return {
    kind: 'judged',
    verdicts: keys.map((_, i) => verdicts.get(i) ?? { verdict: 'contended' }),
    made,
    last,
    more,
  };
}

/**
 * Asks once more about a source that the server refused to look at, in a transaction of its own, and lists it when it is refused again.
 *
 * @returns undefined: the gate is closed.
 */
async function listAlone(
  fill: Access,
  target: EntityTarget,
  source: PlacedKey,
  budget: FillBudget,
  gate: GateName,
): Promise<EntityVerdict | undefined> {
  try {
    return await fill.session('listing a source of entities', (client) =>
      orRollBack(client, async () => {
        if (!(await openFill(client, target, gate, budget))) return undefined;
        await client.query('savepoint look');
        try {
          await judge(client, target, [source]);
          await client.query('rollback');
          return { verdict: 'contended' }; // it was something that passes
        } catch (error) {
          const refused = refusalToLook(target, source.key, error);
          if (refused === undefined) throw error;
          await client.query('rollback to savepoint look; release savepoint look');
          await listUnfillableEntities(client, target, [refused]);
          await client.query('commit');
          return { verdict: 'unfillable', reason: refused.reason };
        }
      }),
    );
  } catch (error) {
    if (!isTransient(error)) throw error;
    return { verdict: 'contended' };
  }
}

/** Sources of one transaction: the locks on what they make, and on what that refers to, are held for as long as it takes. */
const portionMax = 500;
/** So few that are still too slow are made one by one. */
const carefulBelow = 16;

/** A source that was read in passing. `there`: its entity was, by then, so nothing needs to be opened for it. */
interface PagedKey extends SourceKey {
  readonly there?: boolean;
}

interface Page {
  readonly keys: readonly PagedKey[];
  readonly more: boolean;
}

interface Made {
  readonly made: number;
  /** By place; those that time did not allow are missing. */
  readonly verdicts: ReadonlyMap<number, EntityVerdict>;
}

async function makeOnce(
  client: Client,
  target: EntityTarget,
  keys: readonly PlacedKey[],
  how: { readonly budget: FillBudget; readonly gate: GateName; readonly careful: boolean },
): Promise<Made | undefined> {
  if (!(await openFill(client, target, how.gate, how.budget))) return undefined;
  const judged = await judge(client, target, keys);
  const verdicts = new Map<number, EntityVerdict>();
  const unfilled: UnfilledRow[] = [];
  const wanted = new Map<string, Judged[]>();
  for (const one of judged) {
    const settled = settledBefore(one);
    if (settled !== undefined) verdicts.set(one.place, settled);
    else wanted.set(id(one.key), [...(wanted.get(id(one.key)) ?? []), one]);
    if (settled?.verdict === 'unfillable')
      unfilled.push({ key: one.key, reason: settled.reason, sqlstate: null, constraint: null });
  }
  // in the order of the identities
  const sources = [...wanted.values()].flatMap(([first]) => (first === undefined ? [] : [first.key]));
  const write = (some: readonly (readonly string[])[]): Promise<Written> => writeEntities(client, target, some);
  let made = 0;
  let contended: readonly (readonly string[])[] = [];
  let undecided: readonly (readonly string[])[] = [];
  const refused: UnfilledRow[] = [];
  if (sources.length > 0 && how.careful) {
    const result = await halve(client, sources, new TimeHeld(how.budget.rowBudgetMs), {
      write,
      blame: (_, refusal) => Promise.resolve(refusal),
    });
    made = result.filled;
    refused.push(...result.unfilled);
    contended = result.contended;
    undecided = sources.slice(result.decided);
  } else if (sources.length > 0) {
    const result = await write(sources);
    made = result.filled;
    refused.push(...result.unfilled);
  }
  unfilled.push(...refused);
  await listUnfillableEntities(client, target, unfilled);
  await client.query('commit');
  const reasons = new Map(refused.map(({ key, reason }) => [id(key), reason]));
  const held = new Set(contended.map(id));
  const later = new Set(undecided.map(id));
  for (const [key, same] of wanted) {
    if (later.has(key)) continue;
    const reason = reasons.get(key);
    const verdict: EntityVerdict = held.has(key)
      ? { verdict: 'contended' }
      : reason === undefined
        ? { verdict: 'made' }
        : { verdict: 'unfillable', reason };
    for (const { place } of same) verdicts.set(place, verdict);
  }
  return { made, verdicts };
}

/**
 * Inserts, and says of those that are still missing why. Looked at after each write: a trigger that gives a row another identity would have one
 * more made at every look, each of them counted as made.
 */
async function writeEntities(
  client: Client,
  target: EntityTarget,
  keys: readonly (readonly string[])[],
): Promise<Written> {
  const { entity, migrationId, entityNo } = target;
  const columns = keyColumns(keys, entity.sourceKey.length);
  const { rows } = await client.query<{ made: number }>(makeEntities(entity), [...columns, migrationId, entityNo]);
  const made = rows[0]?.made ?? 0;
  const left = await client.query<Record<string, string | null>>(sourcesLeft(entity), columns);
  // something was inserted, and something is not there: whether it is the same is told one by one
  if (made > 0 && left.rows.some((row) => row['reason'] === null)) throw new WriteTakenBack();
  const unfilled = left.rows.map((row) => ({
    key: entity.sourceKey.map((_, i) => String(row[`k${i}`])),
    // not inserted although nothing stood in the way: a trigger took it away
    reason: (row['reason'] ?? 'WriteSuppressed') as UnfillableReason,
    sqlstate: null,
    constraint: null,
  }));
  return { filled: made, unfilled };
}

/** What the application makes is not made here; of a page it is said which are awaited, and which nobody can make. */
async function awaited(
  fill: Access,
  target: EntityTarget,
  kind: EntityRequest['kind'],
  keys: readonly PagedKey[],
): Promise<EntityVerdict[]> {
  const verdicts = keys.map(({ there }): EntityVerdict => ({ verdict: there === true ? 'there' : 'waiting' }));
  const open = keys.flatMap((source, place) => (source.there === true ? [] : [{ ...source, place }]));
  if (kind === 'keys' || open.length === 0) return verdicts;
  const judged = await fill.session('judging sources of entities', (client) =>
    askAround(open, (some) => judge(client, target, some)),
  );
  for (const one of judged.answers) verdicts[one.place] = settledBefore(one) ?? { verdict: 'waiting' };
  for (const { asked, error } of judged.refused) {
    const refused = refusalToLook(target, asked.key, error);
    if (refused) verdicts[asked.place] = { verdict: 'unfillable', reason: refused.reason };
  }
  return verdicts;
}

async function page(fill: Access, target: EntityTarget, after: readonly string[] | null, limit: number): Promise<Page> {
  try {
    return await pageOf(fill, target.entity, after, limit, sourcesAfter(target.entity, after !== null));
  } catch (error) {
    const refused = rowRefusal(error) !== undefined;
    if (!refused && !isTransient(error)) throw error;
    // an identity that is slow to work out, or cannot be for one of them: fewer at a time, or no page is ever done
    if (limit > 1) return await page(fill, target, after, Math.ceil(limit / 8));
    if (!refused) throw error;
    return await pageOf(fill, target.entity, after, limit, sourceAlone(target.entity, after !== null));
  }
}

async function pageOf(
  fill: Access,
  entity: EntityTarget['entity'],
  after: readonly string[] | null,
  limit: number,
  text: string,
): Promise<Page> {
  const rows = await fill.query<Record<string, string | boolean>>('reading the sources of entities', text, [
    ...(after ?? []),
    limit,
  ]);
  const keys = rows.map((row) => ({
    key: entity.sourceKey.map((_, i) => String(row[`k${i}`])),
    there: row['there'] === true,
  }));
  return { keys, more: keys.length === limit };
}

/** Hints are untrusted input: one whose key does not cast must not stop the others. */
const deadKeys = (fill: Access, { entity }: EntityTarget, keys: readonly SourceKey[]): Promise<Set<number>> =>
  deadLetters(
    fill,
    sourcesOf(entity),
    keys.map(({ key, xid }) => ({ key, xid: xid ?? '3' })),
  );

const id = (key: readonly string[]): string => JSON.stringify(key);
