import type { CompiledDerivation, CompiledEntity } from '@highwater/derivation';
import type { Access } from '../session/database.js';
import { checkPrivileges, readOwners, requiredPrivileges, type CheckedPrivilege } from './required-privileges.js';
import { rolesWithPrefix } from './roles.js';

export interface GrantsRequest {
  /** Empty: only the roles themselves, before there is a plan. */
  readonly derivations: readonly CompiledDerivation[];
  readonly entities?: readonly CompiledEntity[];
  readonly rolePrefix: string;
  /** Row level security that the plan switches on, by oid: our roles must not be blind then. */
  readonly rowSecurity?: ReadonlyMap<number, { readonly force: boolean }>;
}

/**
 * SQL that an administrator runs once: the five roles and exactly what the plan needs (SECURITY S11). Printed, never executed.
 * Idempotent but for `create role`, which is wrapped.
 */
export async function printGrants(access: Access, request: GrantsRequest): Promise<string> {
  const roles = rolesWithPrefix(request.rolePrefix);
  const { derivations, entities = [] } = request;
  const planned = request.rowSecurity ?? new Map<number, { force: boolean }>();
  const owners = await readOwners(
    access,
    [...derivations, ...entities].map(({ table }) => table.relid).concat(entities.map(({ source }) => source.relid)),
  );
  const checked = await checkPrivileges(access, requiredPrivileges(derivations, owners, entities), roles);
  const [names] = await access.query<{
    database: string;
    q: Record<string, string>;
    rls: string[];
    ownerRestricted: string[];
  }>(
    'reading names for the grants',
    `with secured as (
       select format('%I.%I', n.nspname, c.relname) as ident,
              c.oid = any($5::oid[]) and (c.relforcerowsecurity or c.oid = any($6::oid[])) as owner_restricted
         from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.oid = any($3::oid[]) and (c.relrowsecurity or c.oid = any($4::oid[])) order by 1)
     select format('%I', current_database()) as database,
            (select json_object_agg(k, format('%I', v)) from unnest($1::text[], $2::text[]) as r (k, v)) as q,
            array(select ident from secured) as rls,
            array(select ident from secured where owner_restricted) as "ownerRestricted"`,
    [
      Object.keys(roles),
      Object.values(roles),
      [...derivations, ...entities].flatMap((d) => [d.table.relid, ...d.inputs.map((i) => i.relid)]),
      [...planned.keys()],
      derivations.map((d) => d.table.relid),
      [...planned].flatMap(([relid, { force }]) => (force ? [relid] : [])),
    ],
  );
  if (!names) throw new Error('invariant broken: one row of names');
  const { q, database } = names;
  const create = (grantee: keyof typeof roles, attributes: string, why: string): string =>
    `-- ${why}\ndo $$ begin create role ${q[grantee]} ${attributes}; exception when duplicate_object then null; end $$;`;
  return [
    '-- Roles of Highwater. Set passwords (\\password) or use certificates; none are set here.',
    create('stream', 'login replication', 'reads WAL; REPLICATION can read everything, so it is a role of its own'),
    create('fill', 'login', 'writes the target column alone'),
    create('state', 'login', 'progress and history; owns no user data'),
    create('ddl', 'login', 'changes tables, in bounded attempts; may use a separate secret'),
    create('bridge', 'nologin', "owns the bridge's function; reads the rule's inputs alone"),
    `grant connect on database ${database} to ${[q['stream'], q['fill'], q['state'], q['ddl']].join(', ')};`,
    '',
    ...mergeColumns(checked).map((sql) => `${sql};`),
    ...(names.rls.length === 0
      ? []
      : [
          '',
          `-- row level security on ${names.rls.join(', ')}: without this the roles below see only some rows, and refuse to work`,
          `alter role ${q['fill']} bypassrls;`,
          `alter role ${q['bridge']} bypassrls;`,
          ...(names.ownerRestricted.length === 0
            ? []
            : [
                `-- ${names.ownerRestricted.join(', ')} under FORCE: the proof behind the lock, run as a member of the owner, would be blind too`,
                `alter role ${q['ddl']} bypassrls;`,
              ]),
        ]),
    '',
  ].join('\n');
}

/** `grant select (a) on t to r` + `grant select (b) on t to r` → one statement. */
export function mergeColumns(checked: readonly CheckedPrivilege[]): string[] {
  const merged = new Map<string, { head: string; columns: string[]; tail: string }>();
  const result: (string | { head: string; columns: string[]; tail: string })[] = [];
  for (const p of checked) {
    const open = p.grantSql.indexOf(' (');
    const close = p.grantSql.indexOf(') on table ');
    if (p.kind !== 'column' || open < 0 || close < 0) {
      result.push(p.grantSql);
      continue;
    }
    const key = `${p.grantee}/${p.relid}/${p.privilege}`;
    const found = merged.get(key);
    const column = p.grantSql.slice(open + 2, close);
    if (found) found.columns.push(column);
    else {
      const entry = { head: p.grantSql.slice(0, open), columns: [column], tail: p.grantSql.slice(close + 1) };
      merged.set(key, entry);
      result.push(entry);
    }
  }
  return result.map((r) => (typeof r === 'string' ? r : `${r.head} (${r.columns.join(', ')})${r.tail}`));
}
