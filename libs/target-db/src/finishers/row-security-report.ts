import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import type { Access } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import type { RowSecurityTarget } from './row-security.js';

/** What each tenant would see, before anything is switched on. Values of the target are shown to whoever asks, and kept nowhere. */
export interface RowSecurityReport {
  /** Quoted. */
  readonly table: string;
  readonly policy: string;
  readonly setting: string;
  /** Null: the table could not be read within the time; `sql` can. */
  readonly rows: {
    readonly total: number;
    readonly tenants: number;
    /** Without a value: no tenant sees them. */
    readonly seenByNobody: number;
    /** The tenants with the most rows. */
    readonly largest: readonly { readonly tenant: string; readonly rows: number }[];
  } | null;
  /** The query by hand. */
  readonly sql: string;
  readonly roles: readonly RowSecurityRole[];
  /** Permissive policies that stand there already: what they show is shown besides. */
  readonly otherPolicies: readonly string[];
  /** Partitions read by their own name are not restricted. */
  readonly partitions: number;
}

/** A role that may read or write the table. */
export interface RowSecurityRole {
  readonly role: string;
  readonly restricted: boolean;
  /** Why it is not restricted, or what it would see. */
  readonly why: string;
}

const readMsMax = 25_000;
const largestMax = 10;

export async function rowSecurityReport(
  access: { readonly fill: Access; readonly state: Access },
  wanted: RowSecurityTarget,
): Promise<RowSecurityReport> {
  const { table, target: column } = wanted.target.derivation;
  const sql = `select ${column.ident}, count(*) from ${table.ident} group by 1 order by 2 desc`;
  const surroundings = await readSurroundings(access.state, wanted);
  return {
    table: table.ident,
    policy: wanted.planned.policy,
    setting: wanted.planned.setting,
    rows: await countByTenant(access.fill, wanted),
    sql,
    ...surroundings,
  };
}

async function countByTenant(fill: Access, { target }: RowSecurityTarget): Promise<RowSecurityReport['rows']> {
  const { table, target: column } = target.derivation;
  const doing = `counting the rows of each tenant of ${table.ident}`;
  try {
    return await fill.transaction(doing, async (client) => {
      await client.query(`set local statement_timeout = ${readMsMax}; set transaction read only`);
      const { rows } = await client.query<{ total: string; tenants: string; nobody: string; largest: unknown }>(
        `with tenant as materialized (select r.${column.ident} as value, count(*) as n from ${table.ident} as r group by 1)
         select coalesce(sum(n), 0) as total, count(value) as tenants, coalesce(sum(n) filter (where value is null), 0) as nobody,
                (select coalesce(json_agg(json_build_object('tenant', t.value::text, 'rows', t.n) order by t.n desc, t.value::text), '[]')
                   from (select * from tenant where value is not null order by n desc, value::text limit ${largestMax}) as t) as largest
           from tenant`,
      );
      const [row] = rows;
      return {
        total: Number(row?.total ?? 0),
        tenants: Number(row?.tenants ?? 0),
        seenByNobody: Number(row?.nobody ?? 0),
        largest: (row?.largest ?? []) as { tenant: string; rows: number }[],
      };
    });
  } catch (error) {
    if (isSqlstate(error, sqlstate.queryCanceled)) return null;
    throw databaseError(error, doing);
  }
}

interface RoleRow {
  role: string;
  superuser: boolean;
  bypass: boolean;
  owner: boolean;
  covered: boolean;
}

async function readSurroundings(
  state: Access,
  { target, planned }: RowSecurityTarget,
): Promise<Pick<RowSecurityReport, 'roles' | 'otherPolicies' | 'partitions'>> {
  const { relid } = target.derivation.table;
  const [row] = await state.query<{ policies: string[]; partitions: number; forced: boolean; roles: RoleRow[] }>(
    'reading whom row level security applies to',
    `select coalesce((select array_agg(p.polname::text order by 1) from pg_policy p where p.polrelid = c.oid and p.polpermissive and p.polname <> $2), '{}') as policies,
            (select count(*)::int from pg_inherits h where h.inhparent = c.oid) as partitions, c.relforcerowsecurity as forced,
            coalesce((select json_agg(json_build_object('role', r.rolname, 'superuser', r.rolsuper, 'bypass', r.rolbypassrls,
                'owner', pg_has_role(r.oid, c.relowner, 'USAGE'),
                'covered', cardinality($3::text[]) = 0 or exists (select from pg_roles f where f.rolname = any($3::text[]) and pg_has_role(r.oid, f.oid, 'USAGE'))) order by r.rolname)
              from pg_roles r where r.rolname not like 'pg\\_%' and (r.rolcanlogin or r.rolname = any($3::text[]) or r.rolname like '%bridge')
               and (pg_has_role(r.oid, c.relowner, 'USAGE') or has_table_privilege(r.oid, c.oid, 'select, insert, update, delete') or has_any_column_privilege(r.oid, c.oid, 'select, insert, update'))), '[]') as roles
       from pg_class c where c.oid = $1::oid`,
    [relid, planned.policy, planned.roles],
  );
  const forced = planned.force || row?.forced === true;
  return {
    roles: (row?.roles ?? []).map((role) => judgeRole(role, forced)),
    otherPolicies: row?.policies ?? [],
    partitions: row?.partitions ?? 0,
  };
}

/** Pure. The order is the server's own: superuser, BYPASSRLS, owner, then policies. */
export function judgeRole(role: RoleRow, forced: boolean): RowSecurityRole {
  const free = (why: string): RowSecurityRole => ({ role: role.role, restricted: false, why });
  if (role.superuser) return free('superuser: sees every row');
  if (role.bypass) return free('BYPASSRLS: sees every row');
  if (role.owner && !forced)
    return free('owns the table, or is a member of its owner: sees every row, unless the plan says force: true');
  if (!role.covered) return { role: role.role, restricted: true, why: 'the policy is not for it: sees no row' };
  return { role: role.role, restricted: true, why: 'sees the rows of the tenant that its setting names' };
}
