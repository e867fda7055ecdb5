import { HighwaterError } from '@highwater/kernel';
import { confirmCreated, intendCreated, type CreatedObject } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';
import { ddlCodes } from './codes.js';
import { runLong } from './long.js';
import { literal } from './names.js';

export interface WantedIndex {
  /** Exact name; the index is made in the table's schema. */
  readonly name: string;
  readonly relid: number;
  /** Table, schema-qualified and quoted. */
  readonly on: string;
  /** `(…)` and what follows: quoted columns, `where …`. */
  readonly definition: string;
  readonly unique?: boolean;
  /** Written when we make it; an index of that name with another comment is not ours. Undefined: the plan's own index. */
  readonly comment?: string;
  /** Exact names, for the plan's own index: one of that name is adopted when it is over just these and as unique as the plan says. */
  readonly columns?: readonly string[];
  /** Of a plan's own index: recorded as the migration's when we build it, so that a rollback tells it from one that was found. */
  readonly of?: Pick<CreatedObject, 'migrationId' | 'targetNo'>;
}

export interface FoundIndex extends Record<string, unknown> {
  /** Schema-qualified and quoted. */
  readonly ident: string;
  readonly valid: boolean;
  readonly unique: boolean;
  readonly comment: string | null;
  readonly on_table: boolean;
  /** Key columns; null: an expression, a condition or columns besides the key, so no index of a plan. */
  readonly columns: readonly string[] | null;
}

/** What a plan's index must be, said of one that has its name. */
export const isAsPlanned = (
  found: FoundIndex,
  wanted: { readonly columns: readonly string[]; readonly unique?: boolean },
): boolean =>
  found.on_table &&
  found.unique === (wanted.unique ?? false) &&
  JSON.stringify(found.columns) === JSON.stringify(wanted.columns);

/**
 * Builds an index without blocking writers, or finds it built. An unfinished one (a build that was cancelled or lost its connection, or
 * whose COMMENT was not written any more) is dropped and built again, once.
 */
export async function ensureIndexConcurrently(
  database: Database,
  wanted: WantedIndex,
  signal?: AbortSignal,
): Promise<'built' | 'adopted'> {
  for (let attempt = 1; ; attempt += 1) {
    const found = await findIndex(database, wanted.relid, wanted.name);
    // without any comment it is a build of ours that died before its COMMENT: our names are nobody else's
    const unfinished = found?.on_table === true && wanted.comment !== undefined && found.comment === null;
    const foreign =
      found &&
      (!found.on_table ||
        (wanted.columns && !isAsPlanned(found, { ...wanted, columns: wanted.columns })) ||
        (wanted.comment !== undefined && found.valid && found.comment !== wanted.comment));
    if (foreign && !unfinished)
      throw new HighwaterError(
        ddlCodes.notOurs,
        'never',
        `index ${found.ident} is there already, but it is not what would be made on ${wanted.on}`,
        { index: found.ident, table: wanted.on },
        'look at it; drop it or choose another name, then ask again',
      );
    const created = wanted.of && { ...wanted.of, kind: 'index' as const, relid: wanted.relid, name: wanted.name };
    if (found?.valid && !unfinished) {
      if (created) await confirmCreated(database.ddl, created);
      return attempt === 1 ? 'adopted' : 'built';
    }
    if (found)
      await runLong(
        database,
        `dropping unfinished index ${found.ident}`,
        `drop index concurrently if exists ${found.ident}`,
        signal,
      );
    if (attempt === 3)
      throw new HighwaterError(
        ddlCodes.indexInvalid,
        'backoff',
        `index "${wanted.name}" on ${wanted.on} was built twice and is still invalid`,
        {
          index: wanted.name,
          table: wanted.on,
        },
      );
    const [quoted] = await database.ddl.query<{ name: string; schema: string }>(
      'quoting an index name',
      `select format('%I', $1::text) as name, format('%I', n.nspname) as schema from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = $2::oid`,
      [wanted.name, wanted.relid],
    );
    if (!quoted)
      throw new HighwaterError(ddlCodes.refused, 'never', `table ${wanted.on} is gone; its index cannot be built`, {
        table: wanted.on,
      });
    if (created) await intendCreated(database.ddl, created);
    const doing = `building index ${quoted.name} on ${wanted.on}`;
    await runLong(
      database,
      doing,
      `create ${wanted.unique === true ? 'unique ' : ''}index concurrently ${quoted.name} on ${wanted.on} ${wanted.definition}`,
      signal,
    );
    if (wanted.comment !== undefined)
      await runLong(database, doing, `comment on index ${quoted.schema}.${quoted.name} is ${literal(wanted.comment)}`);
  }
}

/** The index of that name in the schema of a table. */
export async function findIndex(database: Database, relid: number, name: string): Promise<FoundIndex | undefined> {
  const rows = await database.ddl.query<FoundIndex>(
    'looking for an index',
    `select format('%I.%I', n.nspname, x.relname) as ident, coalesce(i.indisvalid and i.indisready, false) as valid,
            coalesce(i.indisunique, false) as unique,
            obj_description(x.oid, 'pg_class') as comment, coalesce(i.indrelid = $2::oid, false) as on_table,
            (select json_agg(a.attname order by k.o) from unnest(i.indkey::int2[]) with ordinality as k (attnum, o)
               join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
              where i.indpred is null and i.indexprs is null and i.indnkeyatts = i.indnatts) as columns
       from pg_class x join pg_namespace n on n.oid = x.relnamespace
       left join pg_index i on i.indexrelid = x.oid
      where x.relname = $1 and n.oid = (select relnamespace from pg_class where oid = $2::oid)`,
    [name, relid],
  );
  return rows[0];
}

/** Drops without blocking writers; gone already is fine. `ident` as the catalog writes it. */
export async function dropIndexConcurrently(database: Database, ident: string, signal?: AbortSignal): Promise<void> {
  await runLong(database, `dropping index ${ident}`, `drop index concurrently if exists ${ident}`, signal);
}
