import pg from 'pg';

/** What stands in the catalog, each definition under a name that is read as a sentence in a difference. */
export type CatalogSnapshot = ReadonlyMap<string, string>;

/** Of whom the catalog tells nothing here: the server itself, and schema `highwater`, which keeps the history. Grants are left out too. */
const told = `n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'highwater') and n.nspname not like 'pg\\_temp%' and n.nspname not like 'pg\\_toast%'`;

const definitions = `
select 'schema ' || n.nspname as what, '' as definition from pg_namespace n where ${told}
union all
select 'relation ' || c.oid::regclass, concat_ws(' ', c.relkind, c.relpersistence, 'row security', c.relrowsecurity, 'forced', c.relforcerowsecurity,
         'identity', c.relreplident, 'options', c.reloptions, 'owner', pg_get_userbyid(c.relowner), pg_get_partkeydef(c.oid), pg_get_expr(c.relpartbound, c.oid))
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${told}
union all
select 'column ' || c.oid::regclass || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), 'not null', a.attnotnull,
         'default', pg_get_expr(d.adbin, d.adrelid), 'identity', a.attidentity, 'generated', a.attgenerated, 'collation', a.attcollation::regcollation, a.attoptions)
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where ${told} and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
union all
select 'constraint ' || k.conname || ' on ' || k.conrelid::regclass, concat_ws(' ', pg_get_constraintdef(k.oid), 'valid', k.convalidated)
  from pg_constraint k join pg_namespace n on n.oid = k.connamespace where ${told} and k.conrelid <> 0
union all
select 'index ' || i.indexrelid::regclass, concat_ws(' ', pg_get_indexdef(i.indexrelid), 'valid', i.indisvalid, 'ready', i.indisready, 'identity', i.indisreplident)
  from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace where ${told}
union all
select 'trigger ' || t.tgname || ' on ' || t.tgrelid::regclass, concat_ws(' ', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled)
  from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace where ${told} and not t.tgisinternal
union all
select 'policy ' || p.policyname || ' on ' || p.schemaname || '.' || p.tablename, p::text
  from pg_policies p join pg_namespace n on n.nspname = p.schemaname where ${told}
union all
select 'function ' || f.oid::regprocedure, pg_get_functiondef(f.oid)
  from pg_proc f join pg_namespace n on n.oid = f.pronamespace where ${told} and f.prokind in ('f', 'p')
union all
select 'view ' || c.oid::regclass, pg_get_viewdef(c.oid)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where ${told} and c.relkind in ('v', 'm')
union all
select 'sequence ' || s.seqrelid::regclass, concat_ws(' ', format_type(s.seqtypid, null), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle)
  from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace where ${told}
union all
select 'comment on ' || pg_describe_object(d.classoid, d.objoid, d.objsubid), d.description
  from pg_description d join pg_class c on d.classoid = 'pg_class'::regclass and c.oid = d.objoid join pg_namespace n on n.oid = c.relnamespace where ${told}
union all
select 'event trigger ' || evtname, concat_ws(' ', evtevent, evtenabled) from pg_event_trigger
union all
select 'extension ' || extname, extversion from pg_extension
union all
select 'publication ' || p.pubname, (to_jsonb(p) - 'oid')::text from pg_publication p
union all
select 'replication slot ' || slot_name, concat_ws(' ', plugin, slot_type) from pg_replication_slots where database = current_database()`;

/** Everything of the database that somebody could have defined, read by SQL, as a superuser. */
export async function catalogSnapshot(url: string): Promise<CatalogSnapshot> {
  const client = new pg.Client({ connectionString: url, application_name: 'catalog snapshot' });
  await client.connect();
  try {
    const { rows } = await client.query<{ what: string; definition: string }>(definitions);
    return new Map(rows.map(({ what, definition }) => [what, definition]));
  } finally {
    await client.end();
  }
}

/** What is not what it was, in words; empty when the catalogs are equal. */
export function catalogDifferences(before: CatalogSnapshot, after: CatalogSnapshot): string[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((what) => {
    const [was, is] = [before.get(what), after.get(what)];
    if (was === is) return [];
    if (was === undefined) return [`${what} is there and was not: ${is}`];
    if (is === undefined) return [`${what} is gone: ${was}`];
    return [`${what} was ${was} and is ${is}`];
  });
}
