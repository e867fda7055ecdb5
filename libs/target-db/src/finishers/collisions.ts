import { indexColumns, type PlanIndex } from '../cutover/plan-indexes.js';
import { runLong } from '../ddl/long.js';
import { literal } from '../ddl/names.js';
import type { Access, Database } from '../session/database.js';
import type { FillTarget } from '../target.js';

/** More are counted at the next look, when these are repaired. */
const listedMax = 1_000;

/** Key of a row as the server's own text; a table without a key names its rows by where they are. */
const keyOf = (target: FillTarget): string =>
  target.derivation.key.length === 0
    ? 'array[r.ctid::text]'
    : `array[${target.derivation.key.map((k) => `r.${k.ident}::text`).join(', ')}]`;

/** Rows whose unique key is complete, with the number of rows that have it; a NULL in it collides with nothing. */
function counted(target: FillTarget, index: PlanIndex, from: string): string {
  const columns = indexColumns(target, index).map((ident) => `r.${ident}`);
  return `select ${keyOf(target)} as key, count(*) over (partition by ${columns.join(', ')}) as n from ${from}
    where ${columns.map((column) => `${column} is not null`).join(' and ')}`;
}

/**
 * Looks at the whole table for rows that a unique index would refuse and lists them, instead of what an earlier look listed. As the ddl
 * access, which builds the index and reads its columns; reads as long as a build of the index does.
 *
 * @returns rows found; listed are at most a thousand.
 */
export async function listCollisions(
  database: Database,
  target: FillTarget,
  index: PlanIndex,
  signal?: AbortSignal,
): Promise<number> {
  const { ident } = target.derivation.table;
  await clearCollisions(database, target, index.name);
  const [found] = await runLong<{ rows: string }>(
    database,
    `looking for rows of ${ident} that index "${index.name}" would refuse`,
    `with collision as materialized (select key from (${counted(target, index, `${ident} as r`)}) as c where n > 1),
          listed as (
            insert into highwater.index_collision (migration_id, target_no, index_name, key)
            select ${literal(target.migrationId)}, ${target.targetNo}, ${literal(index.name)}, key from collision order by key limit ${listedMax}
            on conflict do nothing
          )
     select count(*) as rows from collision`,
    signal,
  );
  return Number(found?.rows ?? 0);
}

/** Whether rows that were listed still collide with one another: a look at those rows alone. */
export async function stillCollide(database: Database, target: FillTarget, index: PlanIndex): Promise<boolean> {
  const { key, table } = target.derivation;
  if (key.length === 0) return false; // a place says nothing about a row that was changed: look at all of them
  const same = key.map((k, i) => `r.${k.ident} = l.key[${i + 1}]::${k.type}`).join(' and ');
  const from = `highwater.index_collision as l join ${table.ident} as r on l.migration_id = $1 and l.target_no = $2 and l.index_name = $3 and ${same}`;
  const rows = await database.ddl.query(
    `looking at the listed rows of ${table.ident}`,
    `select from (${counted(target, index, from)}) as c where n > 1 limit 1`,
    [target.migrationId, target.targetNo, index.name],
  );
  return rows.length > 0;
}

/** The rows were repaired, or the index stands. */
export const clearCollisions = (database: Database, target: FillTarget, indexName: string): Promise<unknown> =>
  database.ddl.query(
    'closing the entries of collisions',
    `delete from highwater.index_collision where migration_id = $1 and target_no = $2 and index_name = $3`,
    [target.migrationId, target.targetNo, indexName],
  );

export interface CollisionCount {
  readonly targetNo: number;
  readonly indexName: string;
  readonly rows: number;
}

/** Listed rows by index. */
export const countCollisions = async (access: Access, migrationId: string): Promise<CollisionCount[]> => {
  const rows = await access.query<{ target_no: number; index_name: string; n: number }>(
    'counting collisions',
    `select target_no, index_name, count(*)::int as n from highwater.index_collision where migration_id = $1 group by 1, 2 order by 1, 2`,
    [migrationId],
  );
  return rows.map((row) => ({ targetNo: row.target_no, indexName: row.index_name, rows: row.n }));
};
