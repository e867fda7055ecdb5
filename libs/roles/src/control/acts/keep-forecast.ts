import { forecastFailed, forecastPlan, readForecast, saveForecast, type PlanForecast } from '@highwater/target-db';
import type { LiveMigration } from '@highwater/migration';
import type { ControlContext } from '../context.js';
import { resolvePlan } from '../resolve.js';

/** A start waits no longer for it: what cannot be read through in that time is sampled. */
const msMax = 5_000;

/**
 * Looks ahead once, before anything is written, and keeps it, so that the outcome can be held against it. A forecast that fails keeps no migration from
 * starting: then it is kept that there is none, and why.
 */
export async function keepForecast(
  context: ControlContext,
  id: string,
  { planSource }: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const { database, logger } = context;
  if (await readForecast(database.state, id)) return;
  let forecast: PlanForecast;
  try {
    forecast = await forecastPlan({ ...(await resolvePlan(database.state, planSource)), database, signal, msMax });
  } catch (error) {
    signal.throwIfAborted();
    logger.warn({ migrationId: id, err: error }, 'no forecast');
    forecast = {
      takenAt: new Date().toISOString(),
      entities: [],
      tables: [],
      notes: [`unknown: ${forecastFailed(error)}`],
    };
  }
  await saveForecast(database.state, id, forecast);
}
