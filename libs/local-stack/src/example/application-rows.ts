import pg from 'pg';
import type { ExampleEntity } from './example.js';

/** One table's rows as the application sees them: how many, and a sum over all of them that any changed, lost or added row changes. */
export interface TableRows {
  readonly table: string;
  readonly rows: number;
  readonly checksum: string;
}

/** Table → the columns that are the application's own. */
export type Columns = ReadonlyMap<string, readonly string[]>;

/** Rows that the migration made, in the order of the plan's entities; each key as the server's own text. */
export type Made = readonly { readonly entity: ExampleEntity; readonly keys: readonly (readonly string[])[] }[];

/** Taken before anything is done, while the target may not even be there. */
export const ownColumns = (url: string, target: string, targetTables: readonly string[]): Promise<Columns> =>
  connected(url, async (client) => {
    const { rows } = await client.query<{ table: string; columns: string[] }>(
      `select c.relname as table, array_agg(a.attname::text order by a.attnum) as columns
         from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
          and not (a.attname = $1 and c.relname = any($2))
        group by c.relname order by c.relname`,
      [target, targetTables],
    );
    return new Map(rows.map(({ table, columns }) => [table, columns]));
  });

export const madeRows = (url: string, entities: readonly ExampleEntity[]): Promise<Made> =>
  connected(url, async (client) =>
    entities.length === 0
      ? []
      : Promise.all(
          entities.map(async (entity, n) => {
            const { rows } = await client.query<{ key: string[] }>(
              `select key from highwater.created_entity where entity_no = $1`,
              [n],
            );
            return { entity, keys: rows.map(({ key }) => key) };
          }),
        ),
  );

/** Every row that the migration did not make. Only of use while nobody writes. */
export const takeRows = (url: string, columns: Columns, made: Made): Promise<TableRows[]> =>
  connected(url, async (client) => {
    await loadMade(client, made);
    const taken: TableRows[] = [];
    for (const [table, own] of columns) {
      const row = own.map((column) => `t.${pg.escapeIdentifier(column)}`).join(', ');
      const { rows } = await client.query<Omit<TableRows, 'table'>>(
        `select count(*)::float8 as rows, coalesce(sum(hashtextextended(row(${row})::text, 0)::numeric), 0)::text as checksum
           from ${pg.escapeIdentifier(table)} t where ${made.map((one, n) => notOf(table, one.entity, n)).join(' and ') || 'true'}`,
      );
      taken.push({ table, rows: 0, checksum: '', ...rows[0] });
    }
    return taken;
  });

export interface Kept {
  readonly table: string;
  readonly made: number;
  /** Of those, still there. */
  readonly kept: number;
  /** Kept although no row refers to them: none. */
  readonly idle: number;
}

/** What became of the rows that the migration made, told by the foreign keys that lead to them. */
export const keptRows = (url: string, made: Made): Promise<Kept[]> =>
  connected(url, async (client) => {
    await loadMade(client, made);
    const verdicts: Kept[] = [];
    for (const [n, { entity, keys }] of made.entries()) {
      const leading = await client.query<{ test: string }>(
        `select format('exists (select from %s f where (%s) = (%s))', k.conrelid::regclass,
                       (select string_agg(format('f.%I', attname), ', ' order by o) from unnest(k.conkey) with ordinality u (no, o)
                          join pg_attribute on attrelid = k.conrelid and attnum = no),
                       (select string_agg(format('t.%I', attname), ', ' order by o) from unnest(k.confkey) with ordinality u (no, o)
                          join pg_attribute on attrelid = k.confrelid and attnum = no)) as test
           from pg_constraint k where k.contype = 'f' and k.confrelid = $1::regclass and k.conparentid = 0`,
        [pg.escapeIdentifier(entity.table)],
      );
      const referred = leading.rows.map(({ test }) => test).join(' or ') || 'false';
      const { rows } = await client.query<{ kept: number; idle: number }>(
        `select count(*)::float8 as kept, (count(*) filter (where not (${referred})))::float8 as idle
           from ${pg.escapeIdentifier(entity.table)} t where not ${notOf(entity.table, entity, n)}`,
      );
      verdicts.push({ table: entity.table, made: keys.length, kept: 0, idle: 0, ...rows[0] });
    }
    return verdicts;
  });

/** Tables whose rows are not what they were, in words. */
export function changedRows(before: readonly TableRows[], after: readonly TableRows[]): string[] {
  return before.flatMap((was) => {
    const now = after.find(({ table }) => table === was.table);
    if (now?.rows === was.rows && now.checksum === was.checksum) return [];
    const content = now?.rows === was.rows ? ', another content' : '';
    return [`${was.table}: ${was.rows} rows before, ${now?.rows ?? 0} after${content}`];
  });
}

async function loadMade(client: pg.Client, made: Made): Promise<void> {
  await client.query('create temp table made (entity int, key text[], primary key (entity, key))');
  for (const [n, { keys }] of made.entries())
    await client.query(
      `insert into made select $1, array(select json_array_elements_text(e)) from json_array_elements($2::json) e`,
      [n, JSON.stringify(keys)],
    );
  await client.query('analyze made');
}

function notOf(table: string, entity: ExampleEntity, n: number): string {
  if (entity.table !== table) return 'true';
  const key = entity.key.map((column) => `t.${pg.escapeIdentifier(column)}::text`).join(', ');
  return `not exists (select from made where entity = ${n} and key = array[${key}])`;
}

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'example rows' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
