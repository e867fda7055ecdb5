import type { CompiledDerivation, CompiledEntity } from '@highwater/derivation';
import type { Plan } from '@highwater/plan';
import type { Grantee } from '../install/required-privileges.js';
import type { Access } from '../session/database.js';
import type { Finding } from './check.js';
import { blindRoleFindings, plannedRowSecurity } from './row-security.js';

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
  entities: readonly CompiledEntity[],
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
    ...(await blindRoleFindings(
      state,
      [by.get(roles.fill), by.get(roles.bridge)],
      by.get(roles.ddl),
      derivations,
      entities,
      plannedRowSecurity(plan, derivations),
    )),
  ];
}
