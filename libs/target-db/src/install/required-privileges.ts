import type { CatalogFunction, CompiledDerivation, CompiledEntity, DerivationInput } from '@highwater/derivation';
import type { Access } from '../session/database.js';

/** A database role of ours as the grants see it; `bridge` never logs in. */
export type Grantee = 'stream' | 'fill' | 'state' | 'ddl' | 'bridge';

export interface RequiredPrivilege {
  readonly grantee: Grantee;
  readonly kind: 'column' | 'function' | 'sequence' | 'schema' | 'database' | 'member';
  /** Table of a `column`, oid of a `function` or `sequence`; 0 otherwise. */
  readonly relid: number;
  /** Column (of a sequence: for which), function, schema or role name; the database is always the current one. */
  readonly name: string;
  readonly privilege: 'SELECT' | 'INSERT' | 'UPDATE' | 'REFERENCES' | 'EXECUTE' | 'USAGE' | 'CREATE' | 'MEMBER';
}

/**
 * Everything a migration needs on the user's objects and nothing more (SECURITY S11). A target that does not exist yet is left
 * out: expand adds the column and grants it. `ctid` and `tableoid` need a grant of their own once privileges are per column;
 * the fill transaction updates exactly the row versions it locked.
 */
export function requiredPrivileges(
  derivations: readonly CompiledDerivation[],
  owners: ReadonlyMap<number, string>,
  entities: readonly CompiledEntity[] = [],
): RequiredPrivilege[] {
  const needed = new Map<string, RequiredPrivilege>();
  const need = (p: RequiredPrivilege): void => void needed.set(JSON.stringify(p), p);
  const column = (
    grantee: Grantee,
    relid: number,
    privilege: 'SELECT' | 'INSERT' | 'UPDATE' | 'REFERENCES',
    name: string,
  ): void => need({ grantee, kind: 'column', relid, name, privilege });
  const schema = (name: string): void => {
    for (const grantee of ['fill', 'ddl', 'bridge'] as const)
      need({ grantee, kind: 'schema', relid: 0, name, privilege: 'USAGE' });
  };
  const readBy = (
    grantees: readonly Grantee[],
    inputs: readonly DerivationInput[],
    functions: readonly CatalogFunction[] = [],
  ): void => {
    for (const { oid, schema: home, name } of functions) {
      schema(home);
      for (const grantee of [...grantees, 'ddl'] as const)
        need({ grantee, kind: 'function', relid: oid, name: `${home}.${name}`, privilege: 'EXECUTE' });
    }
    for (const input of inputs)
      for (const name of input.columns) for (const grantee of grantees) column(grantee, input.relid, 'SELECT', name);
  };
  /** The conflict target is read as well as written; a default may take its value from a sequence. */
  const insert = (grantee: Grantee, { table, identity, values }: CompiledEntity): void => {
    const given = [...identity, ...values].map(({ name }) => name);
    for (const { name } of identity) column(grantee, table.relid, 'SELECT', name);
    for (const name of given) column(grantee, table.relid, 'INSERT', name);
    for (const { name, sequence } of table.columns.values())
      if (sequence !== undefined && !given.includes(name))
        need({ grantee, kind: 'sequence', relid: sequence, name, privilege: 'USAGE' });
  };
  need({ grantee: 'ddl', kind: 'database', relid: 0, name: '', privilege: 'CREATE' });
  need({ grantee: 'ddl', kind: 'member', relid: 0, name: 'bridge', privilege: 'MEMBER' });
  need({ grantee: 'state', kind: 'member', relid: 0, name: 'pg_read_all_stats', privilege: 'MEMBER' });
  for (const d of derivations) {
    const { relid } = d.table;
    schema(d.table.schema);
    const owner = owners.get(relid);
    if (owner !== undefined) need({ grantee: 'ddl', kind: 'member', relid: 0, name: owner, privilege: 'MEMBER' });
    for (const name of ['ctid', 'tableoid', ...d.key.map((k) => k.name)]) column('fill', relid, 'SELECT', name);
    if (d.journal === true) for (const { name } of d.key) column('bridge', relid, 'SELECT', name);
    if (d.table.columns.has(d.target.name)) {
      column('fill', relid, 'SELECT', d.target.name);
      column('fill', relid, 'UPDATE', d.target.name);
    }
    readBy(['fill', 'bridge'], d.inputs, d.functions);
  }
  for (const entity of entities) {
    const { table, source, identity, createdBy, inputs, functions } = entity;
    // of the table for its indexes and the rows that a rollback takes back, of the source to publish it
    for (const { schema: home, relid } of [table, source]) {
      schema(home);
      const owner = owners.get(relid);
      if (owner !== undefined) need({ grantee: 'ddl', kind: 'member', relid: 0, name: owner, privilege: 'MEMBER' });
    }
    readBy(['fill'], inputs, functions);
    if (createdBy === 'highwater') insert('fill', entity);
    for (const { name } of identity) column('fill', table.relid, 'SELECT', name);
  }
  // the bridge makes those whose source its row can find
  for (const { entity, source } of derivations.flatMap((d) => d.entities ?? [])) {
    if (source === undefined) continue;
    readBy(['bridge'], entity.inputs, entity.functions);
    insert('bridge', entity);
  }
  return [...needed.values()];
}

export interface CheckedPrivilege extends RequiredPrivilege {
  readonly held: boolean;
  /** The statement that gives it, identifiers as the catalog writes them. */
  readonly grantSql: string;
}

/** Asks the server which are held (by the role, through membership or as superuser) and writes the GRANT of each. */
export function checkPrivileges(
  access: Access,
  required: readonly RequiredPrivilege[],
  roles: Readonly<Record<Grantee, string>>,
): Promise<CheckedPrivilege[]> {
  return access.query<CheckedPrivilege & Record<string, unknown>>(
    'checking privileges',
    `select w.grantee, w.kind, w.relid::int8::float8 as relid, w.name, w.privilege,
            case when r.oid is null then false
                 when w.kind = 'column' then has_column_privilege(r.oid, w.relid, w.name, w.privilege)
                 when w.kind = 'function' then has_function_privilege(r.oid, w.relid, w.privilege)
                 when w.kind = 'sequence' then has_sequence_privilege(r.oid, w.relid, w.privilege)
                 when w.kind = 'schema' then has_schema_privilege(r.oid, w.name, w.privilege)
                 when w.kind = 'database' then has_database_privilege(r.oid, current_database(), w.privilege)
                 else coalesce(pg_has_role(r.oid, to_regrole(format('%I', w.name))::oid, 'USAGE'), false) end as held,
            case w.kind
                 when 'column' then format('grant %s (%I) on table %s to %I', lower(w.privilege), w.name,
                        (select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = w.relid), w.role)
                 when 'function' then format('grant %s on function %s to %I', lower(w.privilege), w.relid::regprocedure, w.role)
                 when 'sequence' then format('grant %s on sequence %s to %I', lower(w.privilege), w.relid::regclass, w.role)
                 when 'schema' then format('grant %s on schema %I to %I', lower(w.privilege), w.name, w.role)
                 when 'database' then format('grant %s on database %I to %I', lower(w.privilege), current_database(), w.role)
                 else format('grant %I to %I', w.name, w.role)
                      || case when current_setting('server_version_num')::int >= 160000 then ' with inherit true, set true' else '' end
            end as "grantSql"
       from unnest($1::text[], $2::text[], $3::oid[], $4::text[], $5::text[], $6::text[]) with ordinality
              as w (grantee, kind, relid, name, privilege, role, o)
       left join pg_roles r on r.rolname = w.role
      /* a column that expand is going to add is granted there */
      where w.kind <> 'column' or exists (select from pg_attribute a where a.attrelid = w.relid and a.attname = w.name and not a.attisdropped)
      order by w.o`,
    [
      required.map((p) => p.grantee),
      required.map((p) => p.kind),
      required.map((p) => p.relid),
      required.map((p) => (p.kind === 'member' && p.name === 'bridge' ? roles.bridge : p.name)),
      required.map((p) => p.privilege),
      required.map((p) => roles[p.grantee]),
    ],
  );
}

/** Owner role of each table. */
export async function readOwners(access: Access, relids: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const rows = await access.query<{ relid: number; owner: string }>(
    'reading table owners',
    `select c.oid::int8::float8 as relid, pg_get_userbyid(c.relowner)::text as owner from pg_class c where c.oid = any($1::oid[])`,
    [relids],
  );
  return new Map(rows.map((r) => [r.relid, r.owner]));
}
