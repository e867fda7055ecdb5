import { setTimeout as pause } from 'node:timers/promises';
import type { LiveMigration } from '@highwater/migration';
import {
  countMissingEntities,
  createEntities,
  readEntityPasses,
  recordMissingEntities,
  type Database,
  type EntityPass,
  type EntityTarget,
  type EntityVerdict,
} from '@highwater/target-db';
import { epochOf } from './entity-passes.js';

/** Longest wait on a row an application may see from us. */
type Budget = { readonly rowBudgetMs: number };

/** Longest time for counting what is missing: it reads a whole source. */
const countMsMax = 30_000;
/** So many are looked at once more by key; above it the count stands as it is. */
const lookAgainMax = 500;
/** Between two looks at what the application makes: a source and its entity may come in two transactions. */
const applicationPauseMs = 500;

/**
 * Counts the sources without their entity, but for those that are listed, and stores it; readiness and status show it. While sources are being inserted some are always on
 * their way to their entity, so those that are found missing are looked at again: ours are made at once, the application's get a moment. Where
 * the server does not answer in time, what the last pass over the sources left counts: see `whatPassLeft`.
 *
 * @param pass number of a pass whose every page is done, though it has not been marked so yet: the pass under way is another one's when it is not this
 * @returns null when neither is known.
 */
export async function countMissing(
  database: Database,
  target: EntityTarget,
  state: Pick<LiveMigration, 'epoch' | 'bridge' | 'limits'>,
  {
    timeoutMs = countMsMax,
    pass,
    signal,
  }: { readonly timeoutMs?: number; readonly pass?: number; readonly signal?: AbortSignal } = {},
): Promise<number | null> {
  const { migrationId, entityNo } = target;
  const epoch = epochOf(state);
  const counted = await stillMissing(database, target, state.limits, timeoutMs, signal);
  const missing = counted ?? (await leftByPass(database, target, state, pass));
  // a count that is known stands until the next one: a look that ended in time less often would take it away from readiness again and again
  if (missing !== null || pass !== undefined)
    await recordMissingEntities(database.state, migrationId, {
      entityNo,
      epoch,
      missing,
      ...(pass === undefined ? {} : { pass }),
    });
  return missing;
}

async function leftByPass(
  database: Database,
  { migrationId, entityNo }: EntityTarget,
  state: Pick<LiveMigration, 'epoch' | 'bridge'>,
  pass: number | undefined,
): Promise<number | null> {
  const passes = await readEntityPasses(database.state, migrationId);
  const latest = passes.find((one) => one.entityNo === entityNo && one.epoch === epochOf(state));
  const known = latest !== undefined && (pass === undefined ? latest.done : latest.pass === pass);
  return known ? whatPassLeft(latest, state.bridge?.at ?? null) : null;
}

/**
 * What a pass left without entity, page by page: no source is too big for that. Proof of nothing where the pass began before the bridge, since what came
 * behind its cursor was nobody's then; behind the bridge whoever inserts a source makes its entity. Pure.
 */
export function whatPassLeft(
  pass: Pick<EntityPass, 'startedAt' | 'sourcesLeft'>,
  bridgedAt: string | null,
): number | null {
  return bridgedAt !== null && pass.startedAt.getTime() <= Date.parse(bridgedAt) ? null : pass.sourcesLeft;
}

async function stillMissing(
  database: Database,
  target: EntityTarget,
  budget: Budget,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<number | null> {
  const look = { timeoutMs, first: lookAgainMax, signal };
  const found = await countMissingEntities(database.fill, target, look);
  if (found === undefined) return null;
  if (found.count === 0n || found.count > BigInt(lookAgainMax)) return Number(found.count);
  if (target.entity.createdBy === 'application') {
    await pause(applicationPauseMs);
    const again = await countMissingEntities(database.fill, target, look);
    const before = new Set(found.first.map((key) => JSON.stringify(key)));
    return again === undefined ? null : again.first.filter((key) => before.has(JSON.stringify(key))).length;
  }
  const keys = found.first.map((key) => ({ key }));
  const outcome = await createEntities(database.fill, target, { kind: 'keys', keys }, budget, 'sweep');
  if (outcome.kind === 'gateClosed') return Number(found.count);
  return outcome.verdicts.filter(isLeft).length;
}

/** Its entity is not there, although nothing is wrong with the source. */
export const isLeft = ({ verdict }: EntityVerdict): boolean =>
  !['made', 'there', 'gone', 'unfillable'].includes(verdict);
