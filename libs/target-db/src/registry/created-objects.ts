import type { MigrationId } from '@highwater/kernel';
import { literal } from '../ddl/names.js';
import type { Access } from '../session/database.js';

/** What a migration can make on a user's table and a rollback can take back, in no order. */
export type CreatedKind =
  'column' | 'notNull' | 'constraint' | 'index' | 'policy' | 'rowSecurity' | 'forcedRowSecurity';

/** One thing that the migration made. */
export interface CreatedObject {
  readonly migrationId: MigrationId;
  readonly targetNo: number | null;
  readonly kind: CreatedKind;
  /** The table it sits on. */
  readonly relid: number;
  /** Exact name, of the column for `column` and `notNull`; empty for row security, of which a table has one. */
  readonly name: string;
}

/**
 * The definition of a row `o (kind, relid, name)` as the catalog has it now; null: it is not there. A foreign key is the same one before
 * and after its validation.
 */
export const presentDefinition = `case o.kind
  when 'column' then (select pg_catalog.format_type(a.atttypid, a.atttypmod) from pg_catalog.pg_attribute a
    where a.attrelid = o.relid and a.attname = o.name and not a.attisdropped)
  when 'notNull' then (select 'not null' from pg_catalog.pg_attribute a
    where a.attrelid = o.relid and a.attname = o.name and a.attnotnull and not a.attisdropped)
  when 'constraint' then (select pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(c.oid), ' NOT VALID$', '') from pg_catalog.pg_constraint c
    where c.conrelid = o.relid and c.conname = o.name)
  when 'index' then (select pg_catalog.pg_get_indexdef(i.indexrelid) from pg_catalog.pg_index i join pg_catalog.pg_class x on x.oid = i.indexrelid
    where i.indrelid = o.relid and x.relname = o.name)
  when 'policy' then (select pg_catalog.concat_ws(' ', p.polcmd, p.polpermissive, p.polroles::text, pg_catalog.pg_get_expr(p.polqual, p.polrelid),
      pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) from pg_catalog.pg_policy p where p.polrelid = o.relid and p.polname = o.name)
  when 'rowSecurity' then (select 'row security' from pg_catalog.pg_class r where r.oid = o.relid and r.relrowsecurity)
  when 'forcedRowSecurity' then (select 'forced row security' from pg_catalog.pg_class r where r.oid = o.relid and r.relforcerowsecurity)
  end`;

/**
 * The statement that remembers it: the last one of the message that makes it, so that both are one commit. Whoever adds a finisher
 * declares its undo by this line alone; what was there before is never recorded.
 */
export const recordCreated = ({ migrationId, targetNo, kind, relid, name }: CreatedObject): string =>
  `insert into highwater.created_object (migration_id, target_no, kind, relid, name, definition)
     select ${literal(migrationId)}, ${targetNo === null ? 'null' : Number(targetNo)}, o.kind, o.relid, o.name, ${presentDefinition}
       from (values (${literal(kind)}::text, ${Number(relid)}::oid, ${literal(name)}::text)) as o (kind, relid, name)
     on conflict (migration_id, kind, relid, name) do update set definition = excluded.definition`;

/** Forgets what is about to be dropped for good: in the message that drops it. */
export const forgetCreated = ({ migrationId, kind, relid, name }: Omit<CreatedObject, 'targetNo'>): string =>
  `delete from highwater.created_object where migration_id = ${literal(migrationId)} and kind = ${literal(kind)} and relid = ${Number(relid)}::oid and name = ${literal(name)}`;

/** Before a build that is no transaction: from here on an object of that name is ours, half built or whole. */
export async function intendCreated(ddl: Access, object: CreatedObject): Promise<void> {
  await ddl.query(
    'recording what is about to be built',
    `insert into highwater.created_object (migration_id, target_no, kind, relid, name) values ($1, $2, $3, $4::oid, $5)
     on conflict (migration_id, kind, relid, name) do update set definition = null`,
    [object.migrationId, object.targetNo, object.kind, object.relid, object.name],
  );
}

/** After it; does nothing for what was not intended, which is what was found. */
export async function confirmCreated(ddl: Access, object: CreatedObject): Promise<void> {
  await ddl.query(
    'recording what was built',
    `update highwater.created_object as o set definition = ${presentDefinition}
      where o.migration_id = $1 and o.kind = $2 and o.relid = $3::oid and o.name = $4 and o.definition is null`,
    [object.migrationId, object.kind, object.relid, object.name],
  );
}

/** What is recorded, with what has become of it. */
export interface CreatedObjectNow extends CreatedObject {
  /** `gone`: dropped since. `changed`: an object of that name says something else now, so it is not ours any more. */
  readonly now: 'present' | 'changed' | 'gone';
  /** When a rollback took it back; null: it did not. */
  readonly undoneAt: Date | null;
  /** The table and the object as the catalog writes them; null when the table is gone. */
  readonly table: string | null;
  readonly ident: string;
  readonly schema: string | null;
  /** It belongs to the one of its partitioned table, and goes with that. */
  readonly inherited: boolean;
  /** The table or the index is a partitioned one. */
  readonly partitioned: boolean;
}

/** Everything the migration made, oldest first. */
export const readCreated = (access: Access, migrationId: string): Promise<CreatedObjectNow[]> =>
  access.query<CreatedObjectNow & Record<string, unknown>>(
    'reading what the migration made',
    `select o.migration_id as "migrationId", o.target_no as "targetNo", o.kind, o.relid::int8::float8 as relid, o.name,
            case when d.definition is null then 'gone' when o.definition is null or o.definition = d.definition then 'present' else 'changed' end as now, o.undone_at as "undoneAt",
            format('%I.%I', n.nspname, c.relname) as table, format('%I', o.name) as ident, format('%I', n.nspname) as schema,
            c.relkind in ('p', 'I') as partitioned,
            case o.kind when 'constraint' then exists (select from pg_constraint k where k.conrelid = o.relid and k.conname = o.name and k.conparentid <> 0)
                        when 'index' then exists (select from pg_inherits h join pg_class x on x.oid = h.inhrelid join pg_index i on i.indexrelid = x.oid
                                                   where i.indrelid = o.relid and x.relname = o.name)
                        else false end as inherited
       from highwater.created_object o cross join lateral (select ${presentDefinition} as definition) as d
       left join pg_class c on c.oid = o.relid left join pg_namespace n on n.oid = c.relnamespace
      where o.migration_id = $1 order by o.object_no`,
    [migrationId],
  );
