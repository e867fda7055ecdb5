import type { Client } from '../session/database.js';
import type { Grantee } from './required-privileges.js';

/** What each access role may do with our own tables. `event` is append-only for everyone, `ddl` owns the schema. */
const tableGrants: readonly {
  readonly to: readonly Grantee[];
  readonly privileges: string;
  readonly tables: readonly string[];
}[] = [
  { to: ['state'], privileges: 'select, insert', tables: ['event', 'schema_version'] },
  { to: ['state'], privileges: 'select, update', tables: ['event_head'] },
  {
    to: ['state'],
    privileges: 'select, insert, update, delete',
    tables: [
      'command',
      'publisher_checkpoint',
      'migration',
      'gate',
      'operation',
      'entity_pass',
      'sweep_range',
      'fill_tally',
      'unfillable_row',
      'unfillable_entity',
      'created_entity',
      'fence',
      'fence_arrival',
      'bridge_use',
      'slot_position',
      'ddl_step',
      'mismatch',
      'verification',
      'worker_report',
    ],
  },
  { to: ['state'], privileges: 'select', tables: ['index_collision', 'replaced_key'] },
  // rows and progress are one commit, so the role that fills also writes progress
  {
    to: ['fill'],
    privileges: 'select, insert, update, delete',
    tables: [
      'sweep_range',
      'fill_tally',
      'unfillable_row',
      'unfillable_entity',
      'created_entity',
      'fence_arrival',
      'bridge_use',
      'mismatch',
      'verification',
    ],
  },
  // each value and its entry are one commit, whoever writes the value
  { to: ['fill'], privileges: 'select, insert', tables: ['journal'] },
  { to: ['bridge'], privileges: 'insert', tables: ['journal'] },
  { to: ['state'], privileges: 'select', tables: ['journal'] },
  // written with the statements that make the objects, by the owner of the schema alone
  { to: ['state'], privileges: 'select', tables: ['created_object', 'backup_reference'] },
  { to: ['fill'], privileges: 'select, insert, update', tables: ['rollback_progress'] },
  { to: ['state'], privileges: 'select', tables: ['rollback_progress'] },
  { to: ['fill'], privileges: 'select', tables: ['migration', 'gate', 'fence', 'schema_version'] },
  // an entity that the bridge makes is recorded by the same statement
  { to: ['bridge'], privileges: 'insert', tables: ['created_entity'] },
  // the relay counts who used the bridge before it acknowledges
  { to: ['stream'], privileges: 'select, insert, update', tables: ['bridge_use'] },
  { to: ['stream'], privileges: 'select', tables: ['migration', 'fence', 'schema_version'] },
];

/** One text of GRANT statements; roles that are one and the same as the owner are left out. */
export async function schemaGrants(client: Client, roles: Readonly<Record<Grantee, string>>): Promise<string> {
  const { rows } = await client.query<{ name: string; ident: string }>(
    `select r.rolname::text as name, format('%I', r.rolname) as ident from pg_roles r
       join pg_namespace n on n.nspname = 'highwater' where r.rolname = any($1::text[]) and r.oid <> n.nspowner`,
    [Object.values(roles)],
  );
  const ident = new Map(rows.map((r) => [r.name, r.ident]));
  const to = (grantees: readonly Grantee[]): string =>
    [...new Set(grantees.flatMap((g) => ident.get(roles[g]) ?? []))].join(', ');
  const everyone = to(['stream', 'fill', 'state', 'bridge']);
  const statements = everyone === '' ? [] : [`grant usage on schema highwater to ${everyone}`];
  for (const grant of tableGrants) {
    const names = to(grant.to);
    if (names !== '')
      statements.push(
        `grant ${grant.privileges} on ${grant.tables.map((t) => `highwater.${t}`).join(', ')} to ${names}`,
      );
  }
  return statements.map((s) => `${s};`).join('\n');
}
