import { messageOf } from '@highwater/kernel';
import type { Access, Client } from '../session/database.js';
import { readOnly } from './read-only.js';

/** The tools whose own record of migrations we can read. */
export const historyTools = ['prisma', 'knex', 'typeorm'] as const;
export type HistoryTool = (typeof historyTools)[number];

/** What a tool's table says of one migration; the newest attempt decides. */
export interface RecordedMigration {
  readonly name: string;
  /** `failed`: begun and neither finished nor marked as rolled back (only Prisma records that). */
  readonly state: 'applied' | 'failed' | 'rolledBack';
  /** sha256 of the file when it was begun, hex; null where the tool keeps none. */
  readonly checksum: string | null;
}

export interface HistoryTable {
  readonly tool: HistoryTool;
  readonly schema: string;
  readonly name: string;
  readonly ident: string;
  readonly migrations: readonly RecordedMigration[];
  /** Knex's lock table says that somebody migrates; null: the tool has none. */
  readonly locked: boolean | null;
  /** Why its rows could not be read; then `migrations` is empty. */
  readonly unreadable: string | null;
}

interface Found {
  schema: string;
  name: string;
  ident: string;
  columns: string[];
  lock: string | null;
}

const prismaColumns = [
  'id',
  'checksum',
  'finished_at',
  'migration_name',
  'rolled_back_at',
  'started_at',
  'applied_steps_count',
];

/** Told by shape, since teams give these tables names of their own. Pure. */
export function toolOf(columns: readonly string[]): HistoryTool | undefined {
  if (prismaColumns.every((name) => columns.includes(name))) return 'prisma';
  const exactly = (...names: string[]): boolean =>
    columns.length === names.length && names.every((name) => columns.includes(name));
  if (exactly('id', 'name', 'batch', 'migration_time')) return 'knex';
  return exactly('id', 'timestamp', 'name') ? 'typeorm' : undefined;
}

const findSql = `
select n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as ident,
       array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select format('%I.%I', n.nspname, l.relname) from pg_class l where l.relnamespace = n.oid and l.relname = c.relname || '_lock' and l.relkind = 'r'
           and exists (select from pg_attribute a where a.attrelid = l.oid and a.attname = 'is_locked')) as lock
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind = 'r' and n.nspname not in ('pg_catalog', 'information_schema', 'highwater') and n.nspname !~ '^pg_(toast|temp)'
   and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname in ('migration_name', 'migration_time', 'timestamp') and a.attnum > 0)
 order by 1, 2`;

const rowsSql: Readonly<Record<HistoryTool, (ident: string) => string>> = {
  prisma: (ident) => `
    select migration_name as name, (array_agg(checksum order by started_at desc))[1] as checksum,
           case when bool_or(finished_at is not null and rolled_back_at is null) then 'applied'
                when bool_or(finished_at is null and rolled_back_at is null) then 'failed' else 'rolledBack' end as state
      from ${ident} group by migration_name order by migration_name`,
  knex: (ident) => `select name, null as checksum, 'applied' as state from ${ident} order by id`,
  typeorm: (ident) => `select name, null as checksum, 'applied' as state from ${ident} order by id`,
};

/** Every table in the shape of a tool's record, with its rows; `only`: just the one of that name (`schema.name`, or `name` in public). */
export async function readHistoryTables(access: Access, only?: string): Promise<HistoryTable[]> {
  const found = await readOnly(access, 'looking for records of migration tools', async (client) =>
    (await client.query<Found>(findSql)).rows.flatMap((table) => {
      const tool = toolOf(table.columns);
      const wanted = only === undefined || only === table.name || only === `${table.schema}.${table.name}`;
      return tool === undefined || !wanted ? [] : [{ ...table, tool }];
    }),
  );
  const tables: HistoryTable[] = [];
  for (const { columns: _, lock, ...table } of found) {
    const read = readOnly(access, `reading ${table.ident}`, async (client: Client) => ({
      migrations: (await client.query<RecordedMigration>(rowsSql[table.tool](table.ident))).rows,
      locked: lock === null ? null : await isLocked(client, lock),
      unreadable: null,
    }));
    // a role without the privilege on the tool's table is no reason to say nothing of the rest
    const rows = await read.catch((error: unknown) => ({
      migrations: [],
      locked: null,
      unreadable: messageOf(error),
    }));
    tables.push({ ...table, ...rows });
  }
  return tables;
}

async function isLocked(client: Client, lock: string): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `select coalesce(bool_or(is_locked::int = 1), false) as locked from ${lock}`,
  );
  return rows[0]?.locked ?? false;
}
