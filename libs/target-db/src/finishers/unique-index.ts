import { isHighwaterError } from '@highwater/kernel';
import { ensurePlanIndex, findPlanIndex, type PlanIndex } from '../cutover/plan-indexes.js';
import { readPartitions } from '../catalog/facts.js';
import type { DdlBudget } from '../ddl/attempt.js';
import { dropIndexConcurrently } from '../ddl/concurrent-index.js';
import { runLong } from '../ddl/long.js';
import type { Access, Database } from '../session/database.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import type { FillTarget } from '../target.js';
import { clearCollisions, listCollisions, stillCollide } from './collisions.js';

export type UniqueOutcome = 'built' | 'adopted' | 'collisions';

/**
 * A unique index of the plan. Rows that have their key in common are found before the build, or by it when the application made them
 * meanwhile, and are listed:
 *
 * ```
 * look for collisions ──none──▶ build ──▶ built
 *       │                         └─ 23505: the half-built index is dropped at once ─▶ look again
 *       └──▶ listed; nothing is built until the listed rows are repaired
 * ```
 *
 * Dropped at once, because an invalid unique index refuses the application's statements all the same.
 */
export async function ensureUniqueIndex(
  database: Database,
  target: FillTarget,
  index: PlanIndex,
  budget: DdlBudget,
): Promise<UniqueOutcome> {
  const found = await findPlanIndex(database, target, index);
  if (found?.valid) {
    await clearCollisions(database, target, index.name);
    return 'adopted';
  }
  // an invalid one is what a build left that died: it refuses keys and proves nothing
  if (found) await dropUnfinished(database, target, index, budget.signal);
  // a look at the whole table costs as much as a build, a look at what was listed nothing
  if (await stillCollide(database, target, index)) return 'collisions';
  if ((await listCollisions(database, target, index, budget.signal)) > 0) return 'collisions';
  try {
    await ensurePlanIndex(database, target, index, budget);
    return 'built';
  } catch (error) {
    if (!isHighwaterError(error) || !isSqlstate(error.cause, sqlstate.uniqueViolation)) throw error;
    await dropUnfinished(database, target, index, budget.signal);
    await listCollisions(database, target, index, budget.signal);
    return 'collisions';
  }
}

/** Of a partitioned table: the index on the parent, which takes the attached ones along, and those not attached yet. */
async function dropUnfinished(
  database: Database,
  target: FillTarget,
  index: PlanIndex,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { table } = target.derivation;
  const drop = (ident: string): Promise<void> =>
    table.kind === 'p'
      ? runLong(database, `dropping unfinished index ${ident}`, `drop index if exists ${ident}`, signal).then(
          () => undefined,
        )
      : dropIndexConcurrently(database, ident, signal);
  const found = await findPlanIndex(database, target, index);
  if (found && !found.valid) await drop(found.ident);
  if (table.kind !== 'p') return;
  const partitions = await readPartitions(database.ddl, table.relid);
  const left = await database.ddl.query<{ ident: string }>(
    'looking for unattached indexes',
    `select format('%I.%I', n.nspname, x.relname) as ident
       from highwater.created_object f join pg_class x on x.relname = f.name join pg_namespace n on n.oid = x.relnamespace
       join pg_index i on i.indexrelid = x.oid and i.indrelid = f.relid
      where f.migration_id = $1 and f.target_no = $2 and f.kind = 'index' and f.relid = any($3::oid[]) and not x.relispartition
        and (select array_agg(a.attname order by k.o) from unnest(i.indkey::int2[]) with ordinality as k (attnum, o)
               join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum)::text[] = $4::text[]`,
    [target.migrationId, target.targetNo, partitions.map((one) => one.relid), index.columns],
  );
  for (const { ident } of left) await drop(ident);
}

/** Which of the named indexes are not there, or not valid; names that the plan gives to unique indexes of these tables. */
export async function pendingIndexes(
  access: Access,
  wanted: readonly { readonly relid: number; readonly name: string }[],
): Promise<string[]> {
  if (wanted.length === 0) return [];
  const rows = await access.query<{ name: string }>(
    'looking for the unique indexes of the plan',
    `select w.name from unnest($1::oid[], $2::text[]) as w (relid, name)
      where not exists (select from pg_index i join pg_class x on x.oid = i.indexrelid
                         where i.indrelid = w.relid and x.relname = w.name and i.indisunique and i.indisvalid)`,
    [wanted.map((one) => one.relid), wanted.map((one) => one.name)],
  );
  return rows.map((row) => row.name);
}
