import { foreseePlan, type Catalog, type ForeseenDerivation, type ForeseenEntity } from '@highwater/derivation';
import { HighwaterError, isHighwaterError, messageOf } from '@highwater/kernel';
import type { Plan } from '@highwater/plan';
import { rowsEstimated } from './rows-estimated.js';
import type { Access, Database } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate, sqlstateOf } from '../session/sqlstate.js';
import type { EntityTarget, FillTarget } from '../target.js';
import { forecastEntity, type EntityForecast } from './entity-forecast.js';
import { lookAtAll, lookAtSample, mayRun, NotForeseeable, type Look, type LookLimits } from './look.js';
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
/** Then it is sampled after all. */
const exactMsMax = 15_000;
/** So many rows show what happens to one row in a thousand. */
const sampleRows = 30_000;

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
  for (const [i, target] of targets.entries()) {
    const { table } = target.derivation;
    const name = `${table.schema}.${table.name}`;
    if (request.tables && !request.tables.includes(name)) continue;
    request.signal?.throwIfAborted();
    const keys = uniqueKeys[i] ?? [];
    // the columns of its own keys only: what rules read of it elsewhere needs no more privileges for that
    const withKeys =
      keys.length === 0 ? [] : foreseePlan(plan, catalog, compiled, columnsOf(table.relid, keys)).derivations;
    const ways = [...way(target, withKeys[i], keys), ...way(target, bare.derivations[i], [])];
    tables.push(await forecastTable(request, ways, timeLeft()));
  }
  return {
    takenAt: new Date().toISOString(),
    entities: await forecastEntities(request, bare.entities),
    tables,
    notes: [],
  };
}

/** Asked for with the whole plan only: an entity is no target. */
async function forecastEntities(
  { database, tables, signal }: ForecastRequest,
  entities: readonly ForeseenEntity[],
): Promise<EntityForecast[]> {
  const found: EntityForecast[] = [];
  for (const entity of tables ? [] : entities) {
    signal?.throwIfAborted();
    found.push(await forecastEntity([database.fill, database.ddl], entity));
  }
  return found;
}

const columnsOf = (relid: number, keys: readonly UniqueKey[]): ReadonlyMap<number, readonly string[]> =>
  new Map([[relid, keys.flatMap((key) => key.columns)]]);

const way = (target: FillTarget, one: ForeseenDerivation | undefined, uniqueKeys: readonly UniqueKey[]): Foreseen[] =>
  one ? [{ target: { ...target, derivation: one.derivation }, foreseen: one, uniqueKeys }] : [];

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
    msMax: request.exact === true ? undefined : Math.min(exactMsMax, msLeft),
    signal: request.signal,
    onRows: (seen) => request.onProgress?.(`${table.schema}.${table.name}`, seen),
  };
  if (request.exact === true || rows <= rowsExactMax) {
    const all = await lookOrWithoutKeys(access, of, limits);
    if (all) return tableForecast(all.of, all.look);
  }
  const percent = Math.min(100, Math.max(0.000_1, (sampleRows * 100) / Math.max(1, rows)));
  const sample = await lookAtSample(access, of, percent);
  const found = { outcomes: sample.outcomes, colliding: of.uniqueKeys.map(() => null) };
  return tableForecast(of, found, { percent: sample.percent, rows });
}

/** A key of a type without a hash function is left out. */
async function lookOrWithoutKeys(
  access: Access,
  of: Foreseen,
  limits: LookLimits,
): Promise<{ look: Look; of: Foreseen } | undefined> {
  try {
    const found = await lookAtAll(access, of, limits);
    return found && { look: found, of };
  } catch (error) {
    if (sqlstateOf(error) !== '42883' || of.uniqueKeys.length === 0) throw error;
    const without = await lookAtAll(access, { ...of, uniqueKeys: [] }, limits);
    return without && { look: { ...without, colliding: of.uniqueKeys.map(() => null) }, of };
  }
}

/** For those who only need to know that there is one. */
export const forecastFailed = (error: unknown): string =>
  error instanceof HighwaterError ? `${error.code}: ${error.message}` : messageOf(error);
