import { connectionConfig, type Access, type Database } from '../session/database.js';
import { accessRoles } from '../session/settings.js';
import type { Grantee } from './required-privileges.js';

/** Role names under a prefix; `highwater_` unless `init --role-prefix` says otherwise. Database roles are cluster-wide. */
export const rolesWithPrefix = (prefix: string): Readonly<Record<Grantee, string>> => ({
  stream: `${prefix}stream`,
  fill: `${prefix}fill`,
  state: `${prefix}state`,
  ddl: `${prefix}ddl`,
  bridge: `${prefix}bridge`,
});

/**
 * The roles the process really logs in as. The bridge's role has no login: it is the one that shares the ddl role's name up to
 * `ddl` and ends in `bridge`. Where it does not exist (one URL for everything) the ddl role owns the trigger function itself, and preflight says so.
 */
export async function rolesOf(
  database: Database,
): Promise<Readonly<Record<Grantee, string>> & { readonly bridgeExists: boolean }> {
  const [stream, fill, state, ddl] = await Promise.all(
    accessRoles.map((role) => currentUser(database[role], loginName(database, role))),
  );
  const names = { stream: stream ?? '', fill: fill ?? '', state: state ?? '', ddl: ddl ?? '' };
  const bridge = names.ddl.endsWith('ddl') ? `${names.ddl.slice(0, -3)}bridge` : '';
  const found = await database.ddl.query('looking for the bridge role', 'select 1 from pg_roles where rolname = $1', [
    bridge,
  ]);
  return { ...names, bridge: found.length > 0 ? bridge : names.ddl, bridgeExists: found.length > 0 };
}

const loginName = (database: Database, role: (typeof accessRoles)[number]): string | undefined =>
  connectionConfig(database.settings, role).user || undefined;

/** The URL's user; asked from the server only when the URL names none. */
async function currentUser(access: Access, named: string | undefined): Promise<string> {
  if (named !== undefined) return named;
  const rows = await access.query<{ name: string }>('asking who we are', 'select current_user::text as name');
  return rows[0]?.name ?? '';
}
