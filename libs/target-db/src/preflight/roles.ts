import type { CompiledDerivation } from '@highwater/derivation';
import type { Plan } from '@highwater/plan';
import type { Grantee } from '../install/required-privileges.js';
import type { Access } from '../session/database.js';
import type { Finding } from './check.js';

interface RoleRow extends Record<string, unknown> {
  name: string;
  ident: string;
  super: boolean;
  replication: boolean;
  bypass: boolean;
}

export async function roleFindings(
  state: Access,
  roles: Readonly<Record<Grantee, string>> & { readonly bridgeExists: boolean },
  derivations: readonly CompiledDerivation[],
  plan: Plan,
): Promise<Finding[]> {
  const rows = await state.query<RoleRow>(
    'preflight: reading the roles',
    `select rolname::text as name, format('%I', rolname) as ident, rolsuper as super, rolreplication as replication, rolbypassrls as bypass
       from pg_roles where rolname = any($1::text[])`,
    [[roles.stream, roles.fill, roles.state, roles.ddl, roles.bridge]],
  );
  const by = new Map(rows.map((r) => [r.name, r]));
  const superusers = rows.filter((r) => r.super).map((r) => r.name);
  const logins = new Set([roles.stream, roles.fill, roles.state, roles.ddl]);
  const findings: Finding[] = [
    superusers.length === 0
      ? { check: 'SuperuserAccess', status: 'pass', message: 'no access role is a superuser' }
      : {
          check: 'SuperuserAccess',
          status: 'warn',
          message: `superuser used as access role: ${superusers.join(', ')}`,
        },
    logins.size === 4 && roles.bridgeExists
      ? {
          check: 'SharedRole',
          status: 'pass',
          message: 'each access role is a database role of its own, and the bridge has one',
        }
      : {
          check: 'SharedRole',
          status: 'warn',
          message: `${logins.size} database roles serve four access roles${roles.bridgeExists ? '' : `, and the bridge would be owned by ${roles.ddl}`}`,
        },
  ];
  const stream = by.get(roles.stream);
  if (plan.stream !== null)
    findings.push(
      stream?.replication === true || stream?.super === true
        ? { check: 'ReplicationRole', status: 'pass', message: `${roles.stream} may replicate` }
        : {
            check: 'ReplicationRole',
            status: 'fail',
            message: `${roles.stream} may not replicate`,
            fixSql: `alter role ${stream?.ident ?? roles.stream} replication`,
          },
    );
  return [
    ...findings,
    ...(await rowSecurity(state, [by.get(roles.fill), by.get(roles.bridge)], by.get(roles.ddl), derivations)),
  ];
}

async function rowSecurity(
  state: Access,
  roles: readonly (RoleRow | undefined)[],
  ddl: RoleRow | undefined,
  derivations: readonly CompiledDerivation[],
): Promise<Finding[]> {
  const tables = await state.query<{ ident: string; owners: string[]; forced_on_target: boolean }>(
    'preflight: reading row level security',
    `select format('%I.%I', n.nspname, c.relname) as ident,
            array(select r.rolname::text from pg_roles r where r.rolname = any($2::text[]) and pg_has_role(r.oid, c.relowner, 'USAGE') and not c.relforcerowsecurity) as owners,
            /* the proof behind the lock is run by the owner's member: only FORCE takes rows from its sight */
            c.relforcerowsecurity and c.oid = any($3::oid[]) as forced_on_target
       from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = any($1::oid[]) and c.relrowsecurity order by 1`,
    [
      derivations.flatMap((d) => [d.table.relid, ...d.inputs.map((i) => i.relid)]),
      roles.flatMap((r) => r?.name ?? []),
      derivations.map((d) => d.table.relid),
    ],
  );
  if (tables.length === 0)
    return [{ check: 'RowLevelSecurity', status: 'pass', message: 'no row level security on the tables of the plan' }];
  return tables.flatMap(({ ident, owners, forced_on_target }) =>
    [...roles, ...(forced_on_target ? [ddl] : [])]
      .filter((r) => r !== undefined)
      .map((role): Finding =>
        role.bypass || role.super || owners.includes(role.name)
          ? {
              check: 'RowLevelSecurity',
              status: 'pass',
              table: ident,
              message: `${role.name} sees all rows of ${ident} (row level security is bypassed)`,
            }
          : {
              check: 'RowLevelSecurity',
              status: 'fail',
              table: ident,
              message: `${ident} has row level security and ${role.name} would see only some rows`,
              fixSql: `alter role ${role.ident} bypassrls`,
            },
      ),
  );
}
