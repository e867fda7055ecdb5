import { setTimeout as pause } from 'node:timers/promises';
import {
  countMissingEntities,
  createEntities,
  recordMissingEntities,
  type Database,
  type EntityTarget,
} from '@highwater/target-db';

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
 * their way to their entity, so those that are found missing are looked at again: ours are made at once, the application's get a moment.
 *
 * @returns null when the server did not answer in time.
 */
export async function countMissing(
  database: Database,
  target: EntityTarget,
  epoch: number,
  budget: Budget,
): Promise<number | null> {
  const missing = await stillMissing(database, target, budget);
  const { migrationId, entityNo } = target;
  await recordMissingEntities(database.state, migrationId, { entityNo, epoch, missing });
  return missing;
}

async function stillMissing(database: Database, target: EntityTarget, budget: Budget): Promise<number | null> {
  const look = { timeoutMs: countMsMax, first: lookAgainMax };
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
  return outcome.verdicts.filter(({ verdict }) => !['made', 'there', 'gone', 'unfillable'].includes(verdict)).length;
}
