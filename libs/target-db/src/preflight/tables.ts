import { type CompiledDerivation, hasKey } from '@highwater/derivation';
import { sameTable, type OnDelete, type Plan, type PlannedTable } from '@highwater/plan';
import { withMembers } from '../catalog/members.js';
import type { Database } from '../session/database.js';
import type { Finding } from './check.js';

interface TableRow extends Record<string, unknown> {
  ident: string;
  kind: string;
  persistence: string;
  replica_identity: string;
  rows: number;
  leaves: number;
  inherited: boolean;
  rewritten: boolean;
  subscribed: boolean;
  not_null: boolean | null;
  has_default: boolean;
  filled: number | null;
  update_triggers: string[];
  late_triggers: string[];
  publications: string[];
  unique_indexes: string[];
  checks: string[];
  /** Keys of the target alone, `a` no action, `r` restrict, `c` cascade, `n` set null, `d` set default. */
  keys: { name: string; action: string; parent: string }[];
  taken_names: string[];
  other_indexes: string[];
  partition_keys: string[];
}

interface WantedIndex {
  readonly name: string;
  readonly unique: boolean;
  readonly columns: readonly string[];
}

/* Triggers, publications and subscriptions may sit on a partition alone, so all members are asked. */
const tableSql = `
${withMembers('array[$1::oid]')}, target as (
  select a.attnum, a.attnotnull, a.atthasdef from pg_attribute a where a.attrelid = $1::oid and a.attname = $2 and not a.attisdropped
), member_target as (
  select a.attrelid, a.attnum from pg_attribute a join member m on m.relid = a.attrelid where a.attname = $2 and not a.attisdropped
), triggers as (
  select distinct t.tgname::text as name, t.tgtype, t.tgattr from pg_trigger t join member m on m.relid = t.tgrelid
   where not t.tgisinternal and t.tgenabled <> 'D' and t.tgname not like '~hw\\_%'
)
select format('%I.%I', n.nspname, c.relname) as ident, c.relkind::text as kind, c.relpersistence::text as persistence, c.relreplident::text as replica_identity,
       (select coalesce(sum(greatest(x.reltuples, 0)), 0)::float8 from pg_class x join member m on m.relid = x.oid and x.relkind = 'r') as rows,
       (select count(*)::int from member m join pg_class x on x.oid = m.relid and x.relkind = 'r') as leaves,
       c.relkind = 'r' and not c.relispartition and exists (select from pg_inherits h where h.inhparent = c.oid or h.inhrelid = c.oid) as inherited,
       exists (select from pg_rewrite w where w.ev_class = c.oid) as rewritten,
       exists (select from pg_subscription_rel s join member m on m.relid = s.srrelid) as subscribed,
       (select attnotnull from target) as not_null, coalesce((select atthasdef from target), false) as has_default,
       (select (1 - s.null_frac)::float8 from pg_stats s where s.schemaname = n.nspname and s.tablename = c.relname and s.attname = $2 limit 1) as filled,
       coalesce((select array_agg(name) from triggers t where (tgtype & 16) <> 0
          and (t.tgattr = ''::int2vector or (select attnum from target) = any(t.tgattr::int2[]))), '{}') as update_triggers,
       coalesce((select array_agg(name) from triggers t where (tgtype & 3) = 3 and (tgtype & 20) <> 0 and name collate "C" > '~hw_' collate "C"), '{}') as late_triggers,
       coalesce((select array_agg(distinct p.pubname::text) from pg_publication p join pg_publication_tables t on t.pubname = p.pubname
          join pg_namespace y on y.nspname = t.schemaname join pg_class x on x.relnamespace = y.oid and x.relname = t.tablename
          join member m on m.relid = x.oid where p.pubupdate and p.pubname not like 'hw\\_%'), '{}') as publications,
       /* also in an expression, a predicate or an exclusion; a partition's own index too, but not the copies of the table's */
       coalesce((select array_agg(i.indexrelid::regclass::text order by i.indexrelid) from pg_index i join member_target m on m.attrelid = i.indrelid
         where (i.indisunique or i.indisexclusion) and not exists (select from pg_inherits h where h.inhrelid = i.indexrelid)
           and (m.attnum = any(i.indkey::int2[]) or exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
             and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid and d.refobjsubid = m.attnum))), '{}') as unique_indexes,
       coalesce((select array_agg(distinct k.conname::text) from pg_constraint k join member_target m on m.attrelid = k.conrelid
         where k.contype = 'c' and m.attnum = any(k.conkey) and k.conname not like 'hw\\_%'), '{}')
         || coalesce((select array_agg(distinct 'policy ' || y.polname) from pg_policy y join member_target m on m.attrelid = y.polrelid
         join pg_depend d on d.classid = 'pg_policy'::regclass and d.objid = y.oid and d.refclassid = 'pg_class'::regclass
           and d.refobjid = y.polrelid and d.refobjsubid = m.attnum), '{}') as checks,
       coalesce((select json_agg(json_build_object('name', f.conname, 'action', f.confdeltype, 'parent', p.relname)) from pg_constraint f join pg_class p on p.oid = f.confrelid
         where f.conrelid = c.oid and f.contype = 'f' and (select attnum from target) = any(f.conkey)), '[]') as keys,
       coalesce((select array_agg(x.relname::text) from pg_class x left join pg_index i on i.indexrelid = x.oid
          where x.relnamespace = c.relnamespace and x.relname = any($3::text[]) and i.indrelid is distinct from c.oid), '{}') as taken_names,
       coalesce((select array_agg(w.name) from json_to_recordset($4::json) as w (name text, "unique" boolean, columns jsonb)
          join pg_class x on x.relname = w.name and x.relnamespace = c.relnamespace join pg_index i on i.indexrelid = x.oid and i.indrelid = c.oid
         where i.indisunique <> w."unique" or i.indpred is not null or i.indexprs is not null
            or w.columns is distinct from (select jsonb_agg(a.attname order by k.o) from unnest(i.indkey::int2[]) with ordinality as k (attnum, o)
                 join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum)), '{}') as other_indexes,
       coalesce((select array_agg(distinct coalesce(a.attname::text, 'an expression')) from member m join pg_partitioned_table t on t.partrelid = m.relid
          cross join unnest(t.partattrs::int2[]) as k (attnum) left join pg_attribute a on a.attrelid = t.partrelid and a.attnum = k.attnum), '{}') as partition_keys
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.oid = $1::oid`;

export async function tableFindings(
  database: Database,
  plan: Plan,
  derivations: readonly CompiledDerivation[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [i, d] of derivations.entries()) {
    const entry = plan.tables[i];
    const wanted = [
      ...Object.entries(entry?.indexes ?? {}).map(([name, columns]) => ({ name, columns, unique: false })),
      ...Object.entries(entry?.unique ?? {}).map(([name, columns]) => ({ name, columns, unique: true })),
    ];
    // as the fill access: statistics of a column are shown only to those who may read it
    const [row] = await database.fill.query<TableRow>(`preflight: reading ${d.table.ident}`, tableSql, [
      d.table.relid,
      d.target.name,
      wanted.map((one) => one.name),
      JSON.stringify(wanted),
    ]);
    if (!row) continue;
    const added = plan.tables
      .filter((other) => sameTable(other.table, d.table) && other.target.addColumn)
      .map((other) => other.target.column);
    findings.push(
      ...judgeTable(row, d),
      ...judgeForeignKeys(row, d, entry),
      ...judgeIndexes(row, wanted, new Set([...d.table.columns.keys(), ...added]), d),
    );
  }
  return findings;
}

const actions: Readonly<Record<string, string>> = {
  a: 'no action',
  r: 'restrict',
  c: 'cascade',
  n: 'set null',
  d: 'set default',
};
const actionOf: Readonly<Record<OnDelete, string>> = { noAction: 'a', restrict: 'r', cascade: 'c', setNull: 'n' };

/** Pure: what the target's foreign keys do when a parent goes, now and as the plan wants it. */
export function judgeForeignKeys(
  row: Pick<TableRow, 'ident' | 'keys'>,
  d: CompiledDerivation,
  entry: Pick<PlannedTable, 'references' | 'notNull'> | undefined,
): Finding[] {
  const table = row.ident;
  const { references } = entry ?? {};
  const wanted = references && actionOf[references.onDelete];
  const other = row.keys.filter((key) => key.parent === references?.table.name && key.action !== wanted);
  const replaced = references?.onDeleteSaid === true ? other : [];
  const findings: Finding[] = other.map(({ name, action }) => ({
    check: 'ForeignKeyAction',
    status: 'warn',
    table,
    message:
      replaced.length > 0
        ? `foreign key ${name} of ${table} says on delete ${actions[action] ?? action}, the plan ${actions[wanted ?? ''] ?? ''}: the cutover puts the plan's in its place, validated before the old one goes`
        : `foreign key ${name} of ${table} keeps its on delete ${actions[action] ?? action}: the plan does not say onDelete`,
  }));
  const setNull = row.keys.filter((key) => key.action === 'n' && !replaced.includes(key)).map((key) => key.name);
  const planned = entry?.notNull === true && references?.onDelete === 'setNull';
  if (setNull.length > 0 || planned)
    findings.push({
      check: 'ForeignKeySetNull',
      status: 'warn',
      table,
      message: `${setNull.length > 0 ? `foreign key ${setNull.join(', ')} of ${table}` : `the plan's foreign key of ${table}.${d.target.ident}`} sets ${d.target.ident} to NULL when a parent is deleted: once NOT NULL, that delete fails (23502)`,
      needsAcceptance: true,
    });
  return findings;
}

/** Pure: whether the plan's indexes can be built, and what the unique ones among them mean for the application. */
export function judgeIndexes(
  row: Pick<TableRow, 'ident' | 'other_indexes' | 'partition_keys'>,
  wanted: readonly WantedIndex[],
  columns: ReadonlySet<string>,
  d: CompiledDerivation,
): Finding[] {
  const table = row.ident;
  const findings: Finding[] = [];
  const fail = (check: Finding['check'], message: string): void =>
    void findings.push({ check, status: 'fail', table, message });
  if (row.other_indexes.length > 0)
    fail(
      'IndexName',
      `${table} has indexes of these names already, over other columns or not as unique as the plan says: ${row.other_indexes.join(', ')}`,
    );
  for (const index of wanted) {
    const unknown = index.columns.filter((name) => !columns.has(name));
    if (unknown.length > 0)
      fail('IndexColumns', `index "${index.name}" of ${table} names columns that are not there: ${unknown.join(', ')}`);
    const missing = index.unique ? row.partition_keys.filter((name) => !index.columns.includes(name)) : [];
    if (missing.length > 0)
      fail(
        'IndexColumns',
        `unique index "${index.name}" of ${table} cannot span its partitions: it lacks ${missing.join(', ')} of the partition key`,
      );
  }
  const unique = wanted.filter((one) => one.unique && one.columns.includes(d.target.name)).map((one) => one.name);
  if (unique.length > 0)
    findings.push({
      check: 'UniqueOnTarget',
      status: 'warn',
      table,
      message: `the plan makes ${unique.join(', ')} unique once the rows are filled: from then on a value that the bridge assigns may complete a key, and that statement of the application fails (23505)`,
      needsAcceptance: true,
    });
  return findings;
}

/** Pure: what the facts of one table mean. */
export function judgeTable(row: TableRow, d: CompiledDerivation): Finding[] {
  const table = row.ident;
  const target = `${table}.${d.target.ident}`;
  const done = row.not_null === true;
  const state = `${target}: ${describe(row, d)}${done ? ': there is nothing to fill or to enforce here; the run verifies what is stored and adds what else the plan names' : ''}`;
  const findings: Finding[] = [{ check: 'TargetState', status: done ? 'warn' : 'pass', table, message: state }];
  const found = (check: Finding['check'], status: 'warn' | 'fail', message: string, needsAcceptance = false): void =>
    void findings.push({ check, status, table, message, needsAcceptance });
  if (row.update_triggers.length > 0)
    found(
      'TriggerOnUpdate',
      'warn',
      `triggers of ${table} fire when ${d.target.ident} is filled: ${row.update_triggers.join(', ')}`,
      true,
    );
  if (row.late_triggers.length > 0)
    found(
      'TriggerSortsLast',
      'warn',
      `triggers of ${table} run after the bridge and may undo it: ${row.late_triggers.join(', ')}`,
      true,
    );
  if (row.publications.length > 0)
    found(
      'PublishedElsewhere',
      'warn',
      `${table} publishes updates in ${row.publications.join(', ')}: subscribers receive every row we fill`,
      true,
    );
  if (row.unique_indexes.length > 0)
    found(
      'UniqueOnTarget',
      'warn',
      `unique indexes contain ${target}: ${row.unique_indexes.join(', ')}; a filled value may complete a key (23505)`,
      true,
    );
  if (row.checks.length > 0)
    found(
      'CheckOnTarget',
      'warn',
      `${target} is judged by ${row.checks.join(', ')}: a value of the bridge may be refused where NULL passed, and fail the application's statement`,
      true,
    );
  if (row.subscribed)
    found('Subscription', 'warn', `a subscription writes into ${table}: the bridge will fire for replicated rows too`);
  if (row.inherited) found('Inheritance', 'fail', `${table} is part of old-style inheritance`);
  if (row.rewritten) found('RewriteRule', 'fail', `rewrite rules stand on ${table}`);
  if (row.persistence === 't') found('NotLogged', 'fail', `${table} is temporary`);
  if (row.persistence === 'u')
    found(
      'NotLogged',
      'warn',
      `${table} is unlogged: its new rows give no hints, tail passes and the bridge find them`,
    );
  if (row.taken_names.length > 0)
    found('IndexName', 'fail', `index names of the plan for ${table} are taken: ${row.taken_names.join(', ')}`);
  return findings;
}

function describe(row: TableRow, d: CompiledDerivation): string {
  const facts = [row.rows > 0 ? `about ${Math.round(row.rows)} rows` : 'empty, or never analysed'];
  if (row.kind === 'p') facts.push(`${row.leaves} partitions`);
  if (!hasKey(d))
    facts.push(
      'no key, so it is swept by blocks and its new rows give no hints: tail passes and the bridge find them, and a row is listed by its ctid, which changes when it is updated',
    );
  // we publish inserts alone, which need none: said because others may publish updates
  if (row.replica_identity === 'f') facts.push('replica identity full');
  if (row.replica_identity === 'n') facts.push('replica identity nothing');
  if (row.not_null === null) facts.push('the column will be added');
  if (row.not_null === true) facts.push('already NOT NULL');
  if (row.has_default) facts.push('has a default, so new rows get that and not the rule');
  if (row.filled !== null && row.filled > 0)
    facts.push(`${(row.filled * 100).toFixed(1)} % filled by the last ANALYZE`);
  return facts.join(', ');
}
