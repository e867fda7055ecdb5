import { foreseePlan, type Catalog, type ForeseenPlan } from '@highwater/derivation';
import { HighwaterError, isHighwaterError, messageOf } from '@highwater/kernel';
import type { Plan } from '@highwater/plan';
import { rowsEstimated } from './rows-estimated.js';
import type { Access, Database } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate, sqlstateOf } from '../session/sqlstate.js';
import type { EntityTarget, FillTarget } from '../target.js';
import { forecastEntity, type EntityForecast } from './entity-forecast.js';
import {
  lookAtAll,
  lookAtSample,
  mayRun,
  NotForeseeable,
  type Look,
  type LookLimits,
  type Sampled,
  type TooLong,
} from './look.js';
import type { Foreseen } from './statements.js';
import { tableForecast, unknownForecast, type PlanForecast, type TableForecast } from './table-forecast.js';
import { uniqueKeysOver, type UniqueKey } from './unique-keys.js';

export interface ForecastRequest {
  readonly database: Pick<Database, 'fill' | 'ddl'>;
  readonly plan: Plan;
  readonly catalog: Catalog;
  readonly targets: readonly FillTarget[];
  readonly entities: readonly EntityTarget[];
  /** Every row of every table, however long it takes. */
  readonly exact?: boolean;
  /** As the catalog names them, `public.Group`; left out: all. */
  readonly tables?: readonly string[];
  /** For all tables together; those that are left then are unknown. Left out: as long as it takes. */
  readonly msMax?: number;
  readonly signal?: AbortSignal;
  /** How far it is with one table. */
  readonly onProgress?: (table: string, rows: number) => void;
}

/** A table estimated smaller is looked at row by row: a few seconds. */
const rowsExactMax = 300_000;
/** As soon as all of it would take longer, it is sampled. */
const exactMsMax = 15_000;
/** Of the time that there is for a table; the rest is for a sample. */
const exactShare = 0.6;
/** So many rows show what happens to one row in a thousand. */
const sampleRowsMax = 30_000;
/** So many show how long more of them would take. */
const probeRows = 2_000;
/** Less than half of what a statement may take: to begin anew costs more than to ask for less. */
const sampleMsMax = 2_000;

/**
 * What the plan would do with every row, before anything is written: reads only, in statements of at most 5 s each. Tables that are too large to be read
 * through are sampled, and the answer says so. What cannot be known, a missing privilege for one, is said of that table; the others are told.
 */
export async function forecastPlan(request: ForecastRequest): Promise<PlanForecast> {
  const { plan, catalog, targets, database } = request;
  const derivations = targets.map((target) => target.derivation);
  const compiled = { derivations, entities: request.entities.map(({ entity }) => entity) };
  const uniqueKeys = await Promise.all(
    derivations.map((derivation, i) => uniqueKeysOver(database.fill, derivation, plan.tables[i]?.unique ?? {})),
  );
  const bare = foreseePlan(plan, catalog, compiled);
  const began = performance.now();
  const timeLeft = (): number => (request.msMax ?? Number.POSITIVE_INFINITY) - (performance.now() - began);
  const tables: TableForecast[] = [];
  let left = request.tables?.length ?? targets.length;
  for (const [i, target] of targets.entries()) {
    const { table } = target.derivation;
    const name = `${table.schema}.${table.name}`;
    if (request.tables && !request.tables.includes(name)) continue;
    request.signal?.throwIfAborted();
    const keys = uniqueKeys[i] ?? [];
    // the columns of its own keys only: what rules read of it elsewhere needs no more privileges for that
    const withKeys = keys.length === 0 ? undefined : foreseePlan(plan, catalog, compiled, columnsOf(table.relid, keys));
    const ways = [...way(target, withKeys, i, keys), ...way(target, bare, i, [])];
    // each its share of what is left, so that one large table does not take all of it
    tables.push(await forecastTable(request, ways, timeLeft() / left));
    left -= 1;
  }
  return {
    takenAt: new Date().toISOString(),
    entities: await forecastEntities(request, bare),
    tables,
    notes: [],
  };
}

/** Asked for with the whole plan only: an entity is no target. */
async function forecastEntities(
  { database, tables, signal }: ForecastRequest,
  { entities, toCome }: ForeseenPlan,
): Promise<EntityForecast[]> {
  const found: EntityForecast[] = [];
  for (const entity of tables ? [] : entities) {
    signal?.throwIfAborted();
    found.push(await forecastEntity([database.fill, database.ddl], entity, toCome));
  }
  return found;
}

const columnsOf = (relid: number, keys: readonly UniqueKey[]): ReadonlyMap<number, readonly string[]> =>
  new Map([[relid, keys.flatMap((key) => key.columns)]]);

function way(
  target: FillTarget,
  foreseen: ForeseenPlan | undefined,
  i: number,
  uniqueKeys: readonly UniqueKey[],
): Foreseen[] {
  const one = foreseen?.derivations[i];
  if (!foreseen || !one) return [];
  const { toCome } = foreseen;
  return [{ target: { ...target, derivation: one.derivation }, foreseen: one, toCome, uniqueKeys }];
}

/** Tries what needs more privileges first: unique keys as `fill`, then as `ddl`, which owns the table; then without them. */
async function forecastTable(
  request: ForecastRequest,
  ways: readonly Foreseen[],
  msLeft: number,
): Promise<TableForecast> {
  const { fill, ddl } = request.database;
  const [asked] = ways;
  if (!asked) throw new Error('invariant broken: a target is not foreseen');
  if (msLeft <= 0) return unknownForecast(asked, 'the time for the forecast was over');
  let refusal = '';
  try {
    for (const of of ways)
      for (const access of [fill, ddl]) {
        const may = await mayRun(access, of);
        if (may === true) {
          const forecast = await look(request, access, of, msLeft);
          const unread = asked.uniqueKeys.length > of.uniqueKeys.length ? asked.uniqueKeys : [];
          return { ...forecast, notes: [...forecast.notes, ...unread.map((key) => unreadable(key, refusal))] };
        }
        refusal = may;
      }
    return unknownForecast(asked, `no access role may read it: ${refusal}`);
  } catch (error) {
    if (error instanceof NotForeseeable) return unknownForecast(asked, error.message);
    if (isSqlstate(error, sqlstate.readOnlySqlTransaction))
      return unknownForecast(asked, 'a function of the rule writes, which a forecast never does');
    if (isHighwaterError(error) || request.signal?.aborted === true) throw error;
    throw databaseError(error, `forecast of ${asked.target.derivation.table.ident}`);
  }
}

const unreadable = ({ name }: UniqueKey, refusal: string): string =>
  `collisions in ${name} are unknown: ${refusal === '' ? 'its columns cannot be hashed' : refusal}`;

async function look(request: ForecastRequest, access: Access, of: Foreseen, msLeft: number): Promise<TableForecast> {
  const { table } = of.target.derivation;
  const rows = await rowsEstimated(access, of);
  const limits: LookLimits = {
    msMax: request.exact === true ? undefined : Math.min(exactMsMax, msLeft * exactShare),
    rows,
    signal: request.signal,
    onRows: (seen) => request.onProgress?.(`${table.schema}.${table.name}`, seen),
  };
  let rowsPerMs: number | undefined;
  if (request.exact === true || rows <= rowsExactMax) {
    const all = await lookOrWithoutKeys(access, of, limits);
    if (!('rowsPerMs' in all)) return tableForecast(all.of, all.look);
    rowsPerMs = all.rowsPerMs;
  }
  const sample = await sampleOf(access, of, rows, Math.min(sampleMsMax, msLeft * (1 - exactShare)), rowsPerMs);
  const found = { outcomes: sample.outcomes, colliding: of.uniqueKeys.map(() => null) };
  return tableForecast(of, found, { percent: sample.percent, rows });
}

/** As many rows as the time allows; how many that are is tried with a few, where nobody knows it yet. */
async function sampleOf(access: Access, of: Foreseen, rows: number, ms: number, rowsPerMs?: number): Promise<Sampled> {
  const percentOf = (wanted: number): number => Math.min(100, Math.max(0.000_1, (wanted * 100) / Math.max(1, rows)));
  const wantedAt = (speed: number): number => Math.min(sampleRowsMax, Math.max(probeRows, speed * ms));
  if (rowsPerMs !== undefined) return lookAtSample(access, of, percentOf(wantedAt(rowsPerMs)));
  const began = performance.now();
  const probe = await lookAtSample(access, of, percentOf(probeRows));
  const { rows: seen } = probe.outcomes;
  // no row seen tells nothing: the table is smaller than it is taken for
  const wanted = seen === 0 ? sampleRowsMax : wantedAt(seen / Math.max(1, performance.now() - began));
  if (seen > 0 && wanted <= seen * 2) return probe;
  const sample = await lookAtSample(access, of, percentOf(wanted));
  // pages are taken by chance: of a table of few pages a sample may have fewer than the one before, or none
  return sample.outcomes.rows < seen ? probe : sample;
}

/** A key of a type without a hash function is left out. */
async function lookOrWithoutKeys(
  access: Access,
  of: Foreseen,
  limits: LookLimits,
): Promise<{ look: Look; of: Foreseen } | TooLong> {
  try {
    const found = await lookAtAll(access, of, limits);
    return 'rowsPerMs' in found ? found : { look: found, of };
  } catch (error) {
    if (sqlstateOf(error) !== '42883' || of.uniqueKeys.length === 0) throw error;
    const without = await lookAtAll(access, { ...of, uniqueKeys: [] }, limits);
    if ('rowsPerMs' in without) return without;
    return { look: { ...without, colliding: of.uniqueKeys.map(() => null) }, of };
  }
}

/** For those who only need to know that there is one. */
export const forecastFailed = (error: unknown): string =>
  error instanceof HighwaterError ? `${error.code}: ${error.message}` : messageOf(error);
