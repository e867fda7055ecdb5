import type pg from 'pg';
import type { RangeStep, SchemaChange, Write } from '../checker/history.js';

/** One planned table: its key column, its target, and the rule written by hand over the row `r`. */
export interface AuditedTable {
  readonly name: string;
  readonly key: string;
  readonly target: string;
  readonly rule: string;
}

/** The commit's own time, which the statement's cannot be. The server needs `track_commit_timestamp`. */
export const auditSettings = { track_commit_timestamp: 'on' };

const ours = `current_setting('application_name') like 'highwater/%'`;

/**
 * Notes every update of ours on the planned tables, and every schema change of ours that commits, inside of the very transaction: what is
 * rolled back is never noted. The rule is judged by `WHEN`, so on the snapshot of the statement itself.
 */
export function auditSql(tables: readonly AuditedTable[]): string {
  return [
    `create schema audit;
     grant usage on schema audit to public;
     create table audit.write (n bigint generated always as identity, at timestamptz not null default clock_timestamp(), by text not null,
       tab text not null, key text not null, had boolean not null, has boolean not null, other boolean not null, as_rule boolean not null);
     create table audit.schema_change (n bigint generated always as identity, at timestamptz not null default clock_timestamp(), by text not null,
       tab text not null, checks int not null, not_null boolean not null, empty bigint not null)`,
    ...tables.flatMap((table, i) => auditTable(table, i)),
    `create function audit.note_schema() returns event_trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
     declare changed record; empty bigint;
     begin
       if not (${ours}) then return; end if;
       for changed in
         select distinct c.objid, p.target from pg_event_trigger_ddl_commands() c
           join (values ${tables.map(({ name, target }) => `('"${name}"', '${target}')`).join(', ')}) as p (tab, target)
             on c.objid = ('public.' || p.tab)::regclass where c.command_tag = 'ALTER TABLE'
       loop
         execute format('select count(*) from %s where %I is null', changed.objid::regclass, changed.target) into empty;
         insert into audit.schema_change (by, tab, checks, not_null, empty)
         select current_setting('application_name'), (select relname from pg_class where oid = changed.objid),
           (select count(*) from pg_constraint where conrelid = changed.objid and contype = 'c' and conname like 'hw\\_%'),
           (select attnotnull from pg_attribute where attrelid = changed.objid and attname = changed.target), empty;
       end loop;
     end $$;
     create event trigger audit_schema on ddl_command_end execute function audit.note_schema()`,
  ].join(';\n');
}

function auditTable({ name, key, target, rule }: AuditedTable, i: number): string[] {
  const note = (asRule: boolean): string => `
    create function audit.note_${i}_${String(asRule)}() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
    begin
      insert into audit.write (by, tab, key, had, has, other, as_rule)
      values (current_setting('application_name'), tg_table_name, old."${key}", old."${target}" is not null, new."${target}" is not null,
        (to_jsonb(old) - '${target}') is distinct from (to_jsonb(new) - '${target}'), ${String(asRule)});
      return null;
    end $$`;
  const trigger = (asRule: boolean): string => `
    create trigger audit_${String(asRule)} after update on public."${name}" for each row
      when (${ours} and new."${target}" is ${asRule ? 'not ' : ''}distinct from audit.rule_${i}(new))
      execute function audit.note_${i}_${String(asRule)}()`;
  return [
    `create function audit.rule_${i}(r public."${name}") returns text language sql stable security definer set search_path = public, pg_temp
       as $$ select (${rule})::text $$`,
    note(true),
    note(false),
    trigger(true),
    trigger(false),
  ];
}

/** Once schema `highwater` is there: ranges that move on are noted with the token they moved under. */
export const auditRangesSql = `
create table audit.range_step (n bigint generated always as identity, range text not null, token bigint not null, owner text, filled bigint not null);
create function audit.note_range() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into audit.range_step (range, token, owner, filled)
  values (format('%s/%s/%s/%s', new.epoch, new.target_no, new.pass, new.range_no), new.lease_token, new.lease_owner, new.rows_filled - old.rows_filled);
  return null;
end $$;
create trigger audit_range after update on highwater.sweep_range for each row
  when (new.cursor is distinct from old.cursor or new.rows_filled <> old.rows_filled) execute function audit.note_range()`;

const ms = (column: string): string => `(extract(epoch from ${column}) * 1000)::float8`;

export async function readWrites(admin: pg.Client): Promise<Write[]> {
  const { rows } = await admin.query<Write>(
    `select ${ms('at')} as at, coalesce(${ms('pg_xact_commit_timestamp(xmin)')}, ${ms('at')}) as "committedAt", by, tab as table, key,
       had as "hadValue", has as "hasValue", other as "otherChanged", as_rule as "asRule" from audit.write order by n`,
  );
  return rows;
}

export async function readRangeSteps(admin: pg.Client): Promise<RangeStep[]> {
  const { rows } = await admin.query<{
    committedAt: number;
    range: string;
    token: string;
    owner: string;
    filled: number;
  }>(
    `select coalesce(${ms('pg_xact_commit_timestamp(xmin)')}, 0) as "committedAt", range, token::text, owner, filled::float8
       from audit.range_step order by n`,
  );
  return rows.map((row) => ({ ...row, token: BigInt(row.token) }));
}

export async function readSchemaChanges(admin: pg.Client): Promise<SchemaChange[]> {
  const { rows } = await admin.query<SchemaChange>(
    `select ${ms('at')} as at, by, tab as table, checks, not_null as "notNull", empty::float8 as "rowsWithoutValue"
       from audit.schema_change order by n`,
  );
  return rows;
}
