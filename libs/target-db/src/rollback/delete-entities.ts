import { HighwaterError, type MigrationId } from '@highwater/kernel';
import type { Ident } from '@highwater/derivation';
import { ddlCodes } from '../ddl/codes.js';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { lockRollback, moveRollback } from './progress.js';

/** An entity of the plan whose rows are to go. */
export interface EntityToDelete {
  readonly migrationId: MigrationId;
  readonly entityNo: number;
  readonly table: { readonly relid: number; readonly ident: Ident };
  /** Columns of its identity, in the order of `created_entity.key`. */
  readonly identity: readonly { readonly ident: Ident; readonly type: string }[];
  /** Columns that refer to it by the plan, although their foreign key is gone or was never made. */
  readonly references: readonly { readonly table: Ident; readonly column: Ident; readonly to: Ident }[];
}

export interface DeletedPage {
  readonly deleted: number;
  readonly done: boolean;
  /** Rows of the page that somebody holds. */
  readonly held: number;
  readonly rows: number;
}

/** First row lock to COMMIT. Only who writes the first reference to such a row could wait for it; below `deadlock_timeout`. */
const heldMsMax = 800;

/**
 * One page of the rows that the migration made: deleted are those that nothing refers to and that nobody changed since. Every foreign key
 * of the catalog is looked at while the row is locked, so that no reference can come in between, whatever it would do on delete. A row and
 * its record were made by one statement and have one `xmin`; another one means that the application has written the row since.
 */
export async function deleteEntityPage(ddl: Access, entity: EntityToDelete, rows: number): Promise<DeletedPage> {
  const doing = `deleting entities of ${entity.table.ident}`;
  try {
    const keys = await readForeignKeys(ddl, entity);
    return { ...(await ddl.transaction(doing, (client) => deleteOnce(client, entity, keys, rows, 'all'))), rows };
  } catch (error) {
    if (!isTransient(error) && !rowRefusal(error)) throw databaseError(error, doing);
    if (rows > 1) return { deleted: 0, done: false, held: 0, rows: Math.max(1, Math.floor(rows / 8)) };
    // refused by the team's own trigger, or never checked in time: it stays
    return { ...(await ddl.transaction(doing, (client) => deleteOnce(client, entity, [], 1, 'none'))), rows: 64 };
  }
}

interface ForeignKey extends Record<string, unknown> {
  /** Referring table. */
  table: string;
  columns: string[];
  to: string[];
}

/** Every foreign key on the table or a partitioned one above it; partitions of a referring table come with it. */
const readForeignKeys = (ddl: Access, { table }: EntityToDelete): Promise<ForeignKey[]> =>
  ddl.query<ForeignKey>(
    'reading who refers to a table',
    `select format('%I.%I', n.nspname, c.relname) as table,
            array(select format('%I', a.attname) from unnest(f.conkey) with ordinality as k (n, o) join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.n order by k.o) as columns,
            array(select format('%I', a.attname) from unnest(f.confkey) with ordinality as k (n, o) join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.n order by k.o) as to
       from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
      where f.contype = 'f' and f.conparentid = 0
        and f.confrelid in (select $1::oid union select relid from pg_partition_ancestors($1::oid) as a (relid))`,
    [table.relid],
  );

const sameIdentity = ({ identity }: EntityToDelete, row: string, key: string): string =>
  identity.map(({ ident, type }, i) => `${row}.${ident} = (${key})[${i + 1}]::${type}`).join(' and ');

async function deleteOnce(
  client: Client,
  entity: EntityToDelete,
  keys: readonly ForeignKey[],
  rows: number,
  which: 'all' | 'none',
): Promise<Omit<DeletedPage, 'rows'>> {
  const { migrationId, entityNo, table } = entity;
  const at = await lockRollback(client, migrationId, 'entities', entityNo);
  if (!at || at.done) return { deleted: 0, done: true, held: 0 };
  await client.query(`set local lock_timeout = 50; set local statement_timeout = ${heldMsMax}; set local jit = off`);
  const { rows: page } = await client.query<{ key: string; there: boolean }>(
    `select c.key::text as key, exists (select from ${table.ident} as e where ${sameIdentity(entity, 'e', 'c.key')}) as there
       from highwater.created_entity as c
      where c.migration_id = $1 and c.entity_no = $2 and ($3::text[] is null or c.key > $3::text[]) order by c.key limit $4`,
    [migrationId, entityNo, at.cursor, rows],
  );
  const there = page.filter((row) => row.there).map((row) => row.key);
  let [deleted, held] = [0, 0];
  if (there.length > 0 && which === 'all') {
    const { rows: locked } = await client.query<{ key: string }>(
      `select w.key::text as key from unnest($1::text[]) as k (key) cross join lateral (select k.key::text[] as key) as w
         join ${table.ident} as e on ${sameIdentity(entity, 'e', 'w.key')} order by w.key for update of e skip locked`,
      [there],
    );
    held = there.length - locked.length;
    // a statement of its own: its snapshot is younger than the locks
    const { rows: gone } = await client.query<{ deleted: number }>(deleteStatement(entity, keys), [
      migrationId,
      entityNo,
      locked.map((row) => row.key),
    ]);
    deleted = gone[0]?.deleted ?? 0;
  }
  const done = held === 0 && page.length < rows;
  await moveRollback(client, migrationId, 'entities', entityNo, {
    cursor: held > 0 ? at.cursor : (page.at(-1)?.key ?? at.cursor),
    undone: deleted,
    kept: held > 0 ? 0 : there.length - deleted,
    done,
  });
  return { deleted, done, held };
}

/**
 * `$1`, `$2` migration and entity, `$3` keys of locked rows. Records are found by key before anything is joined by `xmin`, which thousands of rows
 * share, and deleted by their place; and who refers to the page is one look at each referring table, with or without an index: that of the finishers is gone by now.
 */
function deleteStatement(entity: EntityToDelete, keys: readonly ForeignKey[]): string {
  const { table, references } = entity;
  const referred = [
    ...keys.map((key) => ({ from: key.table, on: key.columns.map((column, i) => [column, key.to[i] ?? ''] as const) })),
    ...references.map((one) => ({ from: one.table as string, on: [[one.column, one.to] as const] })),
  ];
  const places = referred.flatMap(({ on }, i) => on.map(([, to], j) => `, e.${to} as r${i}_${j}`)).join('');
  const looks = referred.map(({ from, on }, i) => {
    const columns = on.map(([column]) => `x.${column}`).join(', ');
    const named = on.map((_, j) => `p.r${i}_${j}`).join(', ');
    const taken = on.map(([column], j) => `x.${column} as c${j}`).join(', ');
    return `ref${i} as materialized (select ${taken} from ${from} as x where (${columns}) in (select ${named} from page as p)),\n`;
  });
  const unreferred = referred
    .map(({ on }, i) => {
      const same = on.map(([, to], j) => `x.c${j} = e.${to}`).join(' and ');
      return ` and not exists (select from ref${i} as x where ${same})`;
    })
    .join('');
  return `with wanted as materialized (select k::text[] as key from unnest($3::text[]) as k),
made as materialized (
  select w.key, c.made, c.at from wanted as w cross join lateral (
    select r.xmin as made, r.ctid as at from highwater.created_entity as r where r.migration_id = $1 and r.entity_no = $2 and r.key = w.key offset 0) as c
),
page as materialized (select m.key, m.at${places} from made as m join ${table.ident} as e on ${sameIdentity(entity, 'e', 'm.key')} where e.xmin = m.made),
${looks.join('')}gone as (
  delete from ${table.ident} as e using page as p where ${sameIdentity(entity, 'e', 'p.key')}${unreferred}
  returning p.at
), forgotten as (
  delete from highwater.created_entity as c where c.ctid = any (array(select g.at from gone as g))
)
select count(*)::int as deleted from gone`;
}

/** For the dry run: the statement with the foreign keys of now, and how many rows were made and are still there. */
export async function describeEntityDeletion(
  ddl: Access,
  entity: EntityToDelete,
): Promise<{ readonly sql: string; readonly made: number }> {
  const [row] = await ddl.query<{ made: string }>(
    'counting what was made',
    `select count(*) as made from highwater.created_entity where migration_id = $1 and entity_no = $2`,
    [entity.migrationId, entity.entityNo],
  );
  return { sql: deleteStatement(entity, await readForeignKeys(ddl, entity)), made: Number(row?.made ?? 0) };
}

/** Keys of made rows that are there still: what a rollback kept. The first ones. */
export async function keptEntities(ddl: Access, entity: EntityToDelete, limit: number): Promise<string[][]> {
  const rows = await ddl.query<{ key: string[] }>(
    'reading the entities that stay',
    `select c.key from highwater.created_entity as c join ${entity.table.ident} as e on ${sameIdentity(entity, 'e', 'c.key')}
      where c.migration_id = $1 and c.entity_no = $2 order by c.key limit $3`,
    [entity.migrationId, entity.entityNo, limit],
  );
  return rows.map((row) => row.key);
}

/** Somebody holds rows that are to go, at every try. */
export const rowsHeld = (table: string, rows: number): HighwaterError =>
  new HighwaterError(
    ddlCodes.rowsHeld,
    'backoff',
    `rollback of ${table}: ${rows} rows are held by somebody at every look; nothing of theirs is waited for`,
    { table, rows },
    'wait until the transaction that holds them is over; the rollback goes on by itself',
  );
