import type { CompiledDerivation } from '@highwater/derivation';
import type { Plan } from '@highwater/plan';
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
  set_null_keys: string[];
  taken_names: string[];
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
       coalesce((select array_agg(f.conname::text) from pg_constraint f where f.conrelid = c.oid and f.contype = 'f' and f.confdeltype = 'n'
          and (select attnum from target) = any(f.conkey)), '{}') as set_null_keys,
       coalesce((select array_agg(x.relname::text) from pg_class x left join pg_index i on i.indexrelid = x.oid
          where x.relnamespace = c.relnamespace and x.relname = any($3::text[]) and i.indrelid is distinct from c.oid), '{}') as taken_names
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
    // as the fill access: statistics of a column are shown only to those who may read it
    const [row] = await database.fill.query<TableRow>(`preflight: reading ${d.table.ident}`, tableSql, [
      d.table.relid,
      d.target.name,
      Object.keys(entry?.indexes ?? {}),
    ]);
    if (row) findings.push(...judgeTable(row, d, entry?.notNull === true && entry.references?.onDelete === 'setNull'));
  }
  return findings;
}

/** Pure: what the facts of one table mean. */
export function judgeTable(row: TableRow, d: CompiledDerivation, planSetsNull: boolean): Finding[] {
  const table = row.ident;
  const target = `${table}.${d.target.ident}`;
  const done = row.not_null === true;
  const state = `${target}: ${describe(row)}${done ? ': there is nothing to fill or to enforce here; the run verifies what is stored and adds what else the plan names' : ''}`;
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
  if (row.set_null_keys.length > 0 || planSetsNull)
    found(
      'ForeignKeySetNull',
      'warn',
      `${row.set_null_keys.length > 0 ? `foreign key ${row.set_null_keys.join(', ')} of ${table}` : `the plan's foreign key of ${target}`} sets ${d.target.ident} to NULL when a parent is deleted: once NOT NULL, that delete fails (23502)`,
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

function describe(row: TableRow): string {
  const facts = [row.rows > 0 ? `about ${Math.round(row.rows)} rows` : 'empty, or never analysed'];
  if (row.kind === 'p') facts.push(`${row.leaves} partitions`);
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
