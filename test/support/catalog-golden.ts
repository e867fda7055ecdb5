import type pg from 'pg';

/** What is on the demo's tables when a migration has finished, written by hand: the plan's own objects, and nothing of ours. */
export const finishedCatalog = [
  'Activity constraint Activity_groupId_fkey FOREIGN KEY ("groupId") REFERENCES "Group"(id)',
  'Activity constraint Activity_pkey PRIMARY KEY (id)',
  'Activity constraint Activity_workspaceId_fkey FOREIGN KEY ("workspaceId") REFERENCES "Workspace"(id) ON DELETE RESTRICT',
  'Activity index Activity_pkey',
  'Activity index Activity_workspaceId_idx',
  'Activity not null id',
  'Activity not null workspaceId',
  'Group constraint Group_orgId_fkey FOREIGN KEY ("orgId") REFERENCES "Organization"(id)',
  'Group constraint Group_pkey PRIMARY KEY (id)',
  'Group constraint Group_workspaceId_fkey FOREIGN KEY ("workspaceId") REFERENCES "Workspace"(id) ON DELETE RESTRICT',
  'Group index Group_pkey',
  'Group index Group_workspaceId_idx',
  'Group not null id',
  'Group not null workspaceId',
];

const statement = `
with t as (select oid, relname from pg_class where relname in ('Group', 'Activity') and relkind in ('r', 'p'))
select relname || ' constraint ' || conname || ' ' || pg_get_constraintdef(c.oid) as line from t join pg_constraint c on c.conrelid = t.oid where c.contype <> 'n' and c.conparentid = 0
union all select relname || ' index ' || i.indexrelid::regclass::text || case when i.indisvalid then '' else ' INVALID' end from t join pg_index i on i.indrelid = t.oid
union all select relname || ' trigger ' || tgname || ' ' || tgenabled::text from t join pg_trigger g on g.tgrelid = t.oid where not g.tgisinternal
union all select relname || ' not null ' || attname from t join pg_attribute a on a.attrelid = t.oid where a.attnotnull and a.attnum > 0
union all select 'publication ' || pubname from pg_publication
union all select 'slot ' || slot_name from pg_replication_slots where database = current_database()
union all select 'function ' || proname from pg_proc where pronamespace = 'highwater'::regnamespace and proname like 'hw%'
order by 1`;

/** Constraints, indexes, triggers and NOT NULL of the demo's tables, one line each, with what may be left of ours elsewhere. */
export async function catalogLines(client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ line: string }>(statement);
  return rows.map((row) => row.line.replaceAll(/index "([^"]*)"/g, 'index $1')).sort();
}
