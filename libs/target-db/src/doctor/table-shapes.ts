import type { Client } from '../session/database.js';

export interface ColumnShapeNow {
  readonly name: string;
  readonly ident: string;
  /** `format_type`. */
  readonly type: string;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
}

export interface ConstraintNow {
  readonly name: string;
  /** As pg_constraint writes it: `p` primary key, `u` unique, `f` foreign key, `c` check, `n` not null (18), … */
  readonly kind: string;
  readonly columns: readonly string[];
  readonly validated: boolean;
  /** Parent of a foreign key, `schema.name`; else null. */
  readonly parent: string | null;
  /** `pg_get_constraintdef`. */
  readonly definition: string;
}

export interface IndexNow {
  readonly name: string;
  /** Key columns; null where an expression stands. */
  readonly columns: readonly (string | null)[];
  readonly unique: boolean;
  readonly partial: boolean;
  /** False: a build that was cut off or met duplicates; it serves no query, and a unique one holds nobody to it. */
  readonly valid: boolean;
  /** `pg_get_indexdef`. */
  readonly definition: string;
}

/** One table as its catalog rows say it now. Partitions' own constraints and indexes are left out. */
export interface TableShape {
  readonly schema: string;
  readonly name: string;
  readonly relid: number;
  readonly ident: string;
  readonly kind: 'r' | 'p';
  /** The planner's estimate over all partitions; 0 when it was never analysed. */
  readonly rowsEstimated: number;
  readonly heapBytes: number;
  readonly rowSecurity: boolean;
  readonly columns: readonly ColumnShapeNow[];
  readonly constraints: readonly ConstraintNow[];
  readonly indexes: readonly IndexNow[];
  readonly policies: readonly string[];
  readonly triggers: readonly string[];
}

const names = (relid: string, list: string): string =>
  `(select coalesce(json_agg(a.attname order by o), '[]') from unnest(${list}) with ordinality k (n, o)
      left join pg_attribute a on a.attrelid = ${relid} and a.attnum = k.n)`;

const statement = `
with recursive wanted as (
  select distinct c.oid from unnest($1::text[], $2::text[]) as w (schema, name)
    join pg_namespace n on n.nspname = w.schema
    join pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
), member as (
  select oid as root, oid as relid from wanted
  union select m.root, i.inhrelid from member m join pg_inherits i on i.inhparent = m.relid
)
select n.nspname as schema, c.relname as name, c.oid::int8::float8 as relid, format('%I.%I', n.nspname, c.relname) as ident, c.relkind as kind,
       (select coalesce(sum(greatest(x.reltuples, 0)), 0)::float8 from member m join pg_class x on x.oid = m.relid and x.relkind = 'r' where m.root = c.oid) as "rowsEstimated",
       (select coalesce(sum(pg_relation_size(x.oid)), 0)::float8 from member m join pg_class x on x.oid = m.relid and x.relkind = 'r' where m.root = c.oid) as "heapBytes",
       c.relrowsecurity as "rowSecurity",
       (select coalesce(json_agg(json_build_object('name', a.attname, 'ident', format('%I', a.attname), 'type', format_type(a.atttypid, a.atttypmod),
                 'notNull', a.attnotnull, 'hasDefault', a.atthasdef) order by a.attnum), '[]')
          from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       (select coalesce(json_agg(json_build_object('name', k.conname, 'kind', k.contype, 'validated', k.convalidated, 'definition', pg_get_constraintdef(k.oid),
                 'parent', (select pn.nspname || '.' || p.relname from pg_class p join pg_namespace pn on pn.oid = p.relnamespace where p.oid = k.confrelid),
                 'columns', ${names('c.oid', 'k.conkey')}) order by k.conname), '[]')
          from pg_constraint k where k.conrelid = c.oid) as constraints,
       (select coalesce(json_agg(json_build_object('name', x.relname, 'unique', i.indisunique, 'valid', i.indisvalid and i.indisready,
                 'partial', i.indpred is not null, 'definition', pg_get_indexdef(i.indexrelid),
                 'columns', ${names('c.oid', '(i.indkey::int2[])[0:i.indnkeyatts - 1]')}) order by x.relname), '[]')
          from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = c.oid) as indexes,
       (select coalesce(json_agg(y.polname order by y.polname), '[]') from pg_policy y where y.polrelid = c.oid) as policies,
       (select coalesce(json_agg(t.tgname order by t.tgname), '[]') from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal) as triggers
  from wanted join pg_class c on c.oid = wanted.oid join pg_namespace n on n.oid = c.relnamespace
 order by 1, 2`;

/** The tables of these names that exist, each with all that stands on it, from one snapshot. */
export async function readTableShapes(
  client: Client,
  tables: readonly { readonly schema: string; readonly name: string }[],
): Promise<TableShape[]> {
  const { rows } = await client.query<TableShape>(statement, [
    tables.map(({ schema }) => schema),
    tables.map(({ name }) => name),
  ]);
  return rows;
}
