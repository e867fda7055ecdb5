import type { Catalog, CatalogColumn, CatalogForeignKey, CatalogTable, Ident } from '@highwater/derivation';
import { rulesOfPlan, tablesNamed, walkRule, type Plan, type TableName } from '@highwater/plan';
import type { Access } from '../session/database.js';
import { functionsOfPlan, readFunctions } from './read-functions.js';

interface TableRow extends Record<string, unknown> {
  relid: number;
  schema: string;
  name: string;
  ident: string;
  kind: 'r' | 'p';
  columns: (Omit<CatalogColumn, 'ident'> & { ident: string })[];
  primary_key: string[];
  unique_keys: string[][];
  foreign_keys: CatalogForeignKey[];
}

/*
 * One statement, so that tables, columns, keys and foreign keys come from one snapshot. Names travel as parameters and are
 * compared exactly; every identifier is the catalog's own format('%I'). With search_path = pg_catalog, format_type writes
 * every other type schema-qualified, which is what the sessions that use it need.
 */
const statement = `
with recursive wanted (relid) as (
    select c.oid
      from unnest($1::text[], $2::text[]) as w (schema, name)
      join pg_namespace n on n.nspname = coalesce(w.schema, 'public')
      join pg_class c on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
  union
    select f.confrelid
      from wanted
      join pg_constraint f on f.conrelid = wanted.relid and f.contype = 'f'
), keys as materialized ( /* only a valid, whole, immediate unique index over plain columns identifies a row */
  select i.indrelid, i.indisprimary,
         (select json_agg(a.attname order by o) from unnest(i.indkey::int2[]) with ordinality k (n, o)
            join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n where o <= i.indnkeyatts) as names
    from pg_index i
   where i.indrelid in (select relid from wanted)
     and i.indisunique and i.indisvalid and i.indimmediate and i.indpred is null and i.indexprs is null
), equality as materialized ( /* how types that are not built in compare: their (or their base type's) default btree operator class */
  select t.oid as type, format('OPERATOR(%I.%s)', opn.nspname, op.oprname) as operator
    from pg_type t
    join pg_type b on b.oid = case t.typtype when 'd' then t.typbasetype else t.oid end
    join pg_opclass oc on oc.opcmethod = (select am.oid from pg_am am where am.amname = 'btree') and oc.opcdefault
     and oc.opcintype = case when b.typtype = 'e' then 'anyenum'::regtype when b.oid = 'varchar'::regtype then 'text'::regtype else b.oid end
    join pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amopstrategy = 3 and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
    join pg_operator op on op.oid = ao.amopopr
    join pg_namespace opn on opn.oid = op.oprnamespace
   where t.oid >= 16384
     and t.oid in (select a.atttypid from pg_attribute a where a.attrelid in (select relid from wanted) and not a.attisdropped)
)
select c.oid::int8::float8 as relid, n.nspname as schema, c.relname as name, format('%I.%I', n.nspname, c.relname) as ident, c.relkind as kind,
       (select coalesce(json_agg(json_strip_nulls(json_build_object(
                 'attnum', a.attnum, 'name', a.attname, 'ident', format('%I', a.attname),
                 'type', format_type(a.atttypid, a.atttypmod), 'typeOid', a.atttypid::int8, 'notNull', a.attnotnull,
                 'generated', a.attgenerated <> '' or a.attidentity = 'a',
                 'hasDefault', case when a.atthasdef or a.attidentity <> '' or y.typdefault is not null then true end,
                 'sequence', (select d.refobjid::int8 from pg_attrdef f join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid
                                 and d.refclassid = 'pg_class'::regclass join pg_class q on q.oid = d.refobjid and q.relkind = 'S'
                                where f.adrelid = c.oid and f.adnum = a.attnum limit 1),
                 'collation', (select format('%I.%I', cn.nspname, co.collname) from pg_collation co
                                 join pg_namespace cn on cn.oid = co.collnamespace where co.oid = a.attcollation),
                 'equality', (select e.operator from equality e where e.type = a.atttypid),
                 'plainText', case when y.oid >= 16384 and (b.typcategory in ('S', 'E')
                   or b.oid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'uuid'::regtype, 'bool'::regtype))
                   then true end)) order by a.attnum), '[]')
          from pg_attribute a join pg_type y on y.oid = a.atttypid
          join pg_type b on b.oid = case y.typtype when 'd' then y.typbasetype else y.oid end where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
       coalesce((select k.names from keys k where k.indrelid = c.oid and k.indisprimary), '[]') as primary_key,
       coalesce((select json_agg(k.names) from keys k where k.indrelid = c.oid), '[]') as unique_keys,
       (select coalesce(json_agg(json_build_object(
                 'name', f.conname, 'toRelid', f.confrelid::int8, 'validated', f.convalidated,
                 'columns', (select json_agg(a.attname order by o) from unnest(f.conkey) with ordinality k (n, o)
                               join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.n),
                 'toColumns', (select json_agg(a.attname order by o) from unnest(f.confkey) with ordinality k (n, o)
                                 join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.n)) order by f.conname), '[]')
          from pg_constraint f where f.conrelid = c.oid and f.contype = 'f') as foreign_keys
  from wanted
  join pg_class c on c.oid = wanted.relid
  join pg_namespace n on n.oid = c.relnamespace
 order by n.nspname, c.relname`;

/**
 * The named tables and every table reachable from them by foreign keys. A name without schema is looked up in `public`;
 * one that does not exist (or is a view or foreign table) is simply absent: the compiler reports it, `readTableNames` suggests.
 */
export async function readCatalog(access: Access, tables: readonly TableName[]): Promise<Catalog> {
  const rows = await access.query<TableRow>('reading the catalog', statement, [
    tables.map((t) => t.schema ?? null),
    tables.map((t) => t.name),
  ]);
  return { tables: rows.map(toTable) };
}

function toTable(row: TableRow): CatalogTable {
  return {
    relid: row.relid,
    schema: row.schema,
    name: row.name,
    ident: row.ident as Ident,
    kind: row.kind,
    columns: new Map(row.columns.map((c) => [c.name, { ...c, ident: c.ident as Ident }])),
    primaryKey: row.primary_key,
    uniqueKeys: row.unique_keys,
    foreignKeys: row.foreign_keys,
  };
}

/** Every table a plan names: the filled ones, the referenced ones, entities and their sources, and where its rules say to go. */
export function tablesOfPlan(plan: Plan): TableName[] {
  const found = new Map<string, TableName>();
  const add = (t: TableName): void => void found.set(JSON.stringify([t.schema ?? null, t.name]), t);
  for (const entry of plan.tables) {
    add(entry.table);
    if (entry.references) add(entry.references.table);
  }
  for (const entity of plan.entities) {
    add(entity.table);
    add(entity.from);
  }
  for (const { entry } of rulesOfPlan(plan)) walkRule(entry.rule, [], (rule) => tablesNamed(rule).forEach(add));
  return [...found.values()];
}

/** The catalog a plan is compiled against. */
export async function readCatalogForPlan(access: Access, plan: Plan): Promise<Catalog> {
  const catalog = await readCatalog(access, tablesOfPlan(plan));
  const functions = functionsOfPlan(plan);
  return functions.length === 0 ? catalog : { ...catalog, functions: await readFunctions(access, functions) };
}

/** Every user table as `schema.name` (`name` alone in public): what an unknown name is compared with. */
export async function readTableNames(access: Access): Promise<string[]> {
  const rows = await access.query<{ name: string }>(
    'listing tables',
    `select case n.nspname when 'public' then c.relname else n.nspname || '.' || c.relname end as name
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p') and not c.relispartition
        and n.nspname not in ('pg_catalog', 'information_schema', 'highwater') and n.nspname !~ '^pg_(toast|temp)'
      order by 1 limit 5000`,
  );
  return rows.map((r) => r.name);
}
