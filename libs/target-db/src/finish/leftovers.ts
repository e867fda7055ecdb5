import type { Access } from '../session/database.js';

/** An object of ours outside schema `highwater`'s tables. */
export interface Leftover {
  readonly kind: 'trigger' | 'function' | 'constraint' | 'index' | 'publication' | 'slot';
  /** As the catalog writes it. */
  readonly name: string;
  /** Table it sits on; null for function, publication and slot. */
  readonly on: string | null;
  readonly short: string;
}

/**
 * Everything in this database (slots: of this database) that is named for us; `short` undefined: for any migration. After `finish`
 * the list of its migration is empty. A partition's clone of a trigger is not a leftover of its own.
 */
export const leftoversOf = (access: Access, short?: string): Promise<Leftover[]> =>
  access.query<Leftover & Record<string, unknown>>(
    'looking for leftovers',
    `with named as (
       select 'trigger' as kind, t.tgname::text as raw, format('%I', t.tgname) as name, t.tgrelid as relid
         from pg_trigger t where t.tgname like '~hw\\_%' and t.tgparentid = 0
       union all select 'function', p.proname, format('highwater.%I', p.proname), 0
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'highwater' and p.proname like 'hw\\_%'
       union all select 'constraint', c.conname, format('%I', c.conname), c.conrelid from pg_constraint c where c.conname like 'hw\\_%' and c.coninhcount = 0
       union all select 'index', x.relname, format('%I.%I', n.nspname, x.relname), i.indrelid
         from pg_index i join pg_class x on x.oid = i.indexrelid join pg_namespace n on n.oid = x.relnamespace where x.relname like 'hw\\_%'
       union all select 'publication', pubname, format('%I', pubname), 0 from pg_publication where pubname like 'hw\\_%'
       union all select 'slot', slot_name, slot_name::text, 0 from pg_replication_slots where slot_name like 'hw\\_%' and database = current_database()
     )
     select kind, name, nullif(relid, 0)::regclass::text as "on", substring(raw from '^~?hw_([0-9a-f]{8})') as short
       from named where raw ~ '^~?hw_[0-9a-f]{8}(_|$)' and ($1::text is null or raw ~ ('^~?hw_' || $1::text || '(_|$)'))
      order by 1, 2`,
    [short ?? null],
  );
