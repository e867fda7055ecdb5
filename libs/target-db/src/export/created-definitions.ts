import type { Access } from '../session/database.js';
import { readOnly } from '../doctor/read-only.js';
import type { CreatedKind } from '../registry/created-objects.js';

/** Something that a migration made and that still stands, as SQL would make it on another database. */
export interface CreatedDefinition {
  readonly kind: CreatedKind;
  /** Quoted, with its schema. */
  readonly table: string;
  readonly ident: string;
  /** What follows the object's name: a type, a constraint, a policy's clauses; of an index the whole statement; else empty. */
  readonly definition: string;
}

export interface CreatedDefinitions {
  readonly made: readonly CreatedDefinition[];
  /** When the last of them was made, UTC; undefined when nothing was. */
  readonly lastMadeAt: Date | undefined;
}

/*
 * Partitions' own constraints and indexes are left out: on another database they come with their parent's. Row by row from the
 * catalog, so what was dropped since (unenforce, the team) is not in it.
 */
const statement = `
select o.kind, format('%I.%I', n.nspname, c.relname) as table, format('%I', o.name) as ident, o.made_at as at,
  case o.kind
    when 'column' then (select format_type(a.atttypid, a.atttypmod) from pg_attribute a where a.attrelid = c.oid and a.attname = o.name and not a.attisdropped)
    when 'notNull' then (select '' from pg_attribute a where a.attrelid = c.oid and a.attname = o.name and a.attnotnull and not a.attisdropped)
    when 'constraint' then (select regexp_replace(pg_get_constraintdef(k.oid), ' NOT VALID$', '') from pg_constraint k
      where k.conrelid = c.oid and k.conname = o.name and k.conparentid = 0)
    when 'index' then (select replace(pg_get_indexdef(x.oid), ' ON ONLY ', ' ON ') from pg_index i join pg_class x on x.oid = i.indexrelid
      where i.indrelid = c.oid and x.relname = o.name and i.indisvalid and not exists (select from pg_inherits h where h.inhrelid = x.oid))
    when 'rowSecurity' then (select '' where c.relrowsecurity)
    when 'forcedRowSecurity' then (select '' where c.relforcerowsecurity)
    when 'policy' then (select concat_ws(' ', 'as ' || lower(p.permissive), 'for ' || lower(p.cmd),
        'to ' || (select string_agg(case r when 'public' then 'public' else format('%I', r) end, ', ') from unnest(p.roles) r),
        'using (' || p.qual || ')', 'with check (' || p.with_check || ')')
      from pg_policies p where p.schemaname = n.nspname and p.tablename = c.relname and p.policyname = o.name)
  end as definition
  from highwater.created_object o join pg_class c on c.oid = o.relid join pg_namespace n on n.oid = c.relnamespace
 where o.migration_id = $1
 order by o.object_no`;

/** What stands of everything that the migration made, oldest first. */
export const readCreatedDefinitions = (ddl: Access, migrationId: string): Promise<CreatedDefinitions> =>
  readOnly(ddl, `reading what ${migrationId} made`, async (client) => {
    const { rows } = await client.query<CreatedDefinition & { definition: string | null; at: Date }>(statement, [
      migrationId,
    ]);
    const made = rows.filter(({ definition }) => definition !== null);
    const lastMadeAt = made.reduce<Date | undefined>((last, { at }) => (last && last > at ? last : at), undefined);
    return { made: made.map(({ kind, table, ident, definition }) => ({ kind, table, ident, definition })), lastMadeAt };
  });
