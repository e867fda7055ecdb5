import {
  estimateFill,
  forecastPlan,
  installSchema,
  openDatabase,
  plannedRowSecurity,
  printGrants,
  purgeSchema,
  recordBackup,
  type Database,
  type FillEstimate,
  type PlanForecast,
} from '@highwater/target-db';
import { targetsNamed as namedAmong } from '../control/targets-named.js';
import { inspect, type PreflightOutcome } from '../control/acts/preflight.js';
import { resolvePlan } from '../control/resolve.js';
import type { Settings } from '../settings.js';
import type { PlannedStep } from '../control/port.js';
import { describePlan } from './describe-plan.js';

// What is done directly on the database, without a service and before there is a migration.

/** Installs or upgrades schema `highwater` as the ddl access and grants it to the others; does nothing when it is there. */
export const initialise = (
  settings: Settings,
  /** Where the operator's own backup is: recorded as evidence. */
  backup?: string,
): Promise<{ version: number; applied: readonly number[] }> =>
  withDatabase(settings, async (database) => {
    const installed = await installSchema(database);
    if (backup !== undefined) await recordBackup(database.ddl, backup);
    return installed;
  });

/** Removes schema `highwater` with its history. Throws HW2003 while a migration is not finished or a process of ours is at work. */
export const purge = (settings: Settings): Promise<void> => withDatabase(settings, purgeSchema);

/** The SQL an administrator runs once: roles under the prefix and, with a plan, exactly the privileges that it needs. Changes nothing. */
export const grantsFor = (settings: Settings, rolePrefix: string, source?: string): Promise<string> =>
  withDatabase(settings, async (database) => {
    if (source === undefined) return printGrants(database.ddl, { derivations: [], rolePrefix });
    const { plan, derivations, entities } = await resolvePlan(database.ddl, source);
    return printGrants(database.ddl, {
      derivations,
      entities: entities.map(({ entity }) => entity),
      rolePrefix,
      rowSecurity: plannedRowSecurity(plan, derivations),
    });
  });

/** Resolves a plan against the catalog as it is now and tells what will be done. Throws PlanRejected; changes nothing. */
export const lookAtPlan = (settings: Settings, source: string): Promise<readonly PlannedStep[]> =>
  withDatabase(settings, async (database) => describePlan(await resolvePlan(database.ddl, source)));

/** Every preflight check of a plan, without recording anything. Throws PlanRejected. */
export const preflightPlan = (settings: Settings, source: string): Promise<PreflightOutcome> =>
  withDatabase(settings, async (database) => {
    const { plan, targets, entities } = await resolvePlan(database.ddl, source);
    const short = targets[0]?.short ?? '';
    return inspect({ database, kafka: settings.kafka }, { plan, targets, entities, short });
  });

export interface ForecastOptions {
  readonly exact?: boolean;
  /** With or without its schema. */
  readonly table?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (table: string, rows: number) => void;
}

/** What a plan would do with every row, before there is a migration. Reads only. Throws PlanRejected, and HW6020 for a table that is not in the plan. */
export const forecastOf = (
  settings: Settings,
  source: string,
  { table, ...options }: ForecastOptions = {},
): Promise<PlanForecast> =>
  withDatabase(settings, async (database) => {
    const resolved = await resolvePlan(database.ddl, source);
    const all = resolved.derivations.map((one) => ({ table: `${one.table.schema}.${one.table.name}` }));
    const named = namedAmong(resolved.plan.migration, all, table);
    const tables = table === undefined ? {} : { tables: named.flatMap((no) => all[no]?.table ?? []) };
    return forecastPlan({ ...resolved, database, ...options, ...tables });
  });

/** Reads ahead no longer than this before the rows are tried. */
const foreseeMsMax = 20_000;

/** What filling each target will cost, from a few rows that are written and rolled back. Throws PlanRejected. */
export const estimatesOf = (settings: Settings, source: string): Promise<readonly FillEstimate[]> =>
  withDatabase(settings, async (database) => {
    const resolved = await resolvePlan(database.ddl, source);
    const { accept, limits } = resolved.plan;
    const { tables } = await forecastPlan({ ...resolved, database, msMax: foreseeMsMax });
    const estimates: FillEstimate[] = [];
    for (const [i, target] of resolved.targets.entries())
      estimates.push(
        await estimateFill(database.fill, target, tables[i]?.filled ?? 0, { accept, rowBudgetMs: limits.rowBudgetMs }),
      );
    return estimates;
  });

async function withDatabase<T>(settings: Settings, work: (database: Database) => Promise<T>): Promise<T> {
  const database = openDatabase(settings.database);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}
