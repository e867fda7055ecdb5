import pg from 'pg';
import { plannedIndexes, plannedTables } from './plan.js';

export interface TableSize {
  readonly table: string;
  readonly heapBytes: number;
  /** With indexes and TOAST. */
  readonly totalBytes: number;
}

export interface SweepPace {
  readonly rows: number;
  readonly ms: number;
}

async function ask<Row extends pg.QueryResultRow>(url: string, text: string, values: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'demo measuring' });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

export const tableSizes = (url: string): Promise<TableSize[]> =>
  ask<{ table: string; heapBytes: number; totalBytes: number }>(
    url,
    `select t as table, pg_relation_size(format('%I', t)::regclass)::float8 as "heapBytes",
            pg_total_relation_size(format('%I', t)::regclass)::float8 as "totalBytes"
       from unnest($1::text[]) with ordinality as u (t, n) order by n`,
    [plannedTables],
  );

/** Rows per second of the first pass over history, from its first lease to its last commit. */
export async function sweepPace(url: string): Promise<SweepPace> {
  const [pace] = await ask<{ rows: number; ms: number }>(
    url,
    `select coalesce(sum(rows_filled), 0)::float8 as rows,
            coalesce(extract(epoch from max(finished_at) - min(started_at)) * 1000, 0)::float8 as ms
       from highwater.sweep_range where pass = 0`,
    [],
  );
  return pace ?? { rows: 0, ms: 0 };
}

/** What the plan asked for and the catalog does not have, in words; empty when all of it is there. */
export async function missingOnTables(url: string): Promise<string[]> {
  const rows = await ask<{ missing: string }>(
    url,
    `select 'NOT NULL on ' || t as missing from unnest($1::text[]) t
      where not exists (select from pg_attribute where attrelid = format('%I', t)::regclass and attname = 'workspaceId' and attnotnull)
     union all
     select 'foreign key of ' || t from unnest($1::text[]) t
      where not exists (select from pg_constraint where conrelid = format('%I', t)::regclass and contype = 'f' and convalidated
        and confrelid = '"Workspace"'::regclass)
     union all
     select 'index ' || name from unnest($2::text[]) name
      where not exists (select from pg_index i join pg_class c on c.oid = i.indexrelid where c.relname = name and i.indisvalid)`,
    [plannedTables, plannedIndexes],
  );
  return rows.map(({ missing }) => missing);
}
