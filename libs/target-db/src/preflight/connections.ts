import type { Plan } from '@highwater/plan';
import type { Grantee } from '../install/required-privileges.js';
import { leaderSessions } from '../registry/leader.js';
import { poolMaxOf, type Database } from '../session/database.js';
import { accessRoles, type AccessRole } from '../session/settings.js';
import type { Finding } from './check.js';

/** What one process may have open at once, with one migration. */
export interface AccessConnections {
  readonly sessions: number;
  /** Reading a slot: outside of max_connections since PostgreSQL 12, within the role's limit before 17. */
  readonly walsenders: number;
}

/** The small pools, those that are kept for minutes (see `Access.lasting`), and what is opened beside both. */
export function connectionsNeeded(
  pools: Readonly<Record<AccessRole, number>>,
  of: { readonly stream: boolean; readonly sweepWorkers: number; readonly eventLog: number },
): Readonly<Record<AccessRole, AccessConnections>> {
  const streaming = of.stream ? 1 : 0;
  return {
    stream: { sessions: pools.stream + streaming /* a new slot */, walsenders: streaming },
    // the watch over live fills, and a count of entities or an assertion
    fill: { sessions: pools.fill + streaming + 1, walsenders: 0 },
    state: { sessions: pools.state + leaderSessions + of.eventLog, walsenders: 0 },
    // an index build or VALIDATE, and a vacuum for each worker
    ddl: { sessions: pools.ddl + 1 + of.sweepWorkers, walsenders: 0 },
  };
}

export interface ServerConnections {
  readonly max: number;
  /** For superusers and, since 16, for pg_use_reserved_connections. */
  readonly reserved: number;
  /** Sessions of others now. */
  readonly others: number;
}

export interface RoleConnections {
  readonly role: string;
  /** Quoted. */
  readonly ident: string;
  readonly limit: number;
  /** Sessions of others by this role now. */
  readonly others: number;
  readonly needed: number;
}

/** Whether all of them find room beside those that others have. Pure. */
export function connectionFindings(
  needed: number,
  { max, reserved, others }: ServerConnections,
  roles: readonly RoleConnections[],
): Finding[] {
  const free = Math.max(0, max - reserved - others);
  const facts = `max_connections is ${max}, of which ${reserved} are reserved and ${others} are in use by others`;
  const tight = roles.filter((one) => one.needed > one.limit - one.others);
  const findings: Finding[] = tight.map(({ role, ident, limit, others: used, needed: wanted }) => ({
    check: 'ConnectionLimit',
    status: 'warn',
    message: `a process may open ${wanted} connections as ${role} at once, and ${Math.max(0, limit - used)} are free: its CONNECTION LIMIT is ${limit}, of which ${used} are in use by others; raise it`,
    fixSql: `alter role ${ident} connection limit ${wanted + used}`,
  }));
  if (needed > free)
    findings.push({
      check: 'ConnectionLimit',
      status: 'warn',
      message: `a process may open ${needed} connections at once, and ${free} are free: ${facts}; raise max_connections (restart of the server), or end sessions that nobody needs`,
      fixSql: `alter system set max_connections = ${needed + reserved + others}; -- takes effect at the next start of the server`,
    });
  if (findings.length > 0) return findings;
  return [
    {
      check: 'ConnectionLimit',
      status: 'pass',
      message: `a process may open ${needed} connections at once, and ${free} are free: ${facts}`,
    },
  ];
}

/* ours: those of this process, by its instance's name; an application that shares a role with us is another */
const serverSql = `
select current_setting('max_connections')::int as max,
       current_setting('superuser_reserved_connections')::int + coalesce(current_setting('reserved_connections', true)::int, 0) as reserved,
       (select count(*) from pg_stat_activity where backend_type = 'client backend' and not starts_with(application_name, $1))::int as others`;

/* a superuser is not limited */
const rolesSql = `
select rolname::text as role, format('%I', rolname) as ident, rolconnlimit as limit,
       (select count(*) from pg_stat_activity a where a.usesysid = r.oid and a.backend_type in ('client backend', 'walsender')
          and not starts_with(a.application_name, $1))::int as others
  from pg_roles r where rolname = any($2::text[]) and rolconnlimit >= 0 and not rolsuper order by 1`;

/** @param eventLog sessions that the process keeps for its event log, as access role `state`. */
export async function connectionsFound(
  database: Database,
  names: Readonly<Record<Grantee, string>>,
  plan: Plan,
  eventLog: number,
): Promise<Finding[]> {
  const needed = connectionsNeeded(poolMaxOf(database.settings), {
    stream: plan.stream !== null,
    sweepWorkers: plan.limits.sweepWorkers,
    eventLog,
  });
  const ours = `highwater/${database.instance}/`.slice(0, 63);
  const [server] = await database.state.query<ServerConnections & Record<string, unknown>>(
    'preflight: reading the limits of connections',
    serverSql,
    [ours],
  );
  if (!server) throw new Error('invariant broken: one row about the server');
  const limited = await database.state.query<Omit<RoleConnections, 'needed'> & Record<string, unknown>>(
    'preflight: reading the limits of roles',
    rolesSql,
    [ours, accessRoles.map((access) => names[access])],
  );
  const roles = limited.map((one) => ({
    ...one,
    // several access roles may be one database role
    needed: accessRoles
      .filter((access) => names[access] === one.role)
      .reduce((sum, access) => sum + needed[access].sessions + needed[access].walsenders, 0),
  }));
  const sessions = accessRoles.reduce((sum, access) => sum + needed[access].sessions, 0);
  return connectionFindings(sessions, server, roles);
}
