import type { CompiledDerivation, CompiledEntity } from '@highwater/derivation';
import type { Plan, PlannedRowSecurity } from '@highwater/plan';
import { readCreated } from '../registry/created-objects.js';
import type { Access } from '../session/database.js';
import type { FillTarget } from '../target.js';
import type { Finding } from './check.js';

interface SeeingRole {
  readonly name: string;
  readonly ident: string;
  readonly super: boolean;
  readonly bypass: boolean;
}

/** Row level security that the plan switches on, by the table's oid: from then on it hides rows from our own roles too. */
export const plannedRowSecurity = (
  plan: Pick<Plan, 'tables'>,
  derivations: readonly Pick<CompiledDerivation, 'table'>[],
): ReadonlyMap<number, PlannedRowSecurity> =>
  new Map(
    derivations.flatMap(({ table }, i) => {
      const planned = plan.tables[i]?.rowLevelSecurity;
      return planned === undefined ? [] : [[table.relid, planned] as const];
    }),
  );

/**
 * Whether each of our roles that reads the plan's tables sees all their rows, now and once the plan's row level security is on. One that does
 * not would see a false zero; our sessions make it an error, and here it is told in advance.
 */
export async function blindRoleFindings(
  state: Access,
  roles: readonly (SeeingRole | undefined)[],
  ddl: SeeingRole | undefined,
  derivations: readonly CompiledDerivation[],
  entities: readonly CompiledEntity[],
  planned: ReadonlyMap<number, PlannedRowSecurity>,
): Promise<Finding[]> {
  const readers = [...roles, ddl];
  const forced = [...planned].flatMap(([relid, { force }]) => (force ? [relid] : []));
  const tables = await state.query<{ ident: string; owners: string[]; forced_on_target: boolean; now: boolean }>(
    'preflight: reading row level security',
    `select format('%I.%I', n.nspname, c.relname) as ident, c.relrowsecurity as now,
            array(select r.rolname::text from pg_roles r where r.rolname = any($2::text[]) and pg_has_role(r.oid, c.relowner, 'USAGE')
                     and not c.relforcerowsecurity and c.oid <> all($5::oid[])) as owners,
            /* the proof behind the lock is run by the owner's member: only FORCE takes rows from its sight */
            (c.relforcerowsecurity or c.oid = any($5::oid[])) and c.oid = any($3::oid[]) as forced_on_target
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.oid = any($1::oid[]) and (c.relrowsecurity or c.oid = any($4::oid[])) order by 1`,
    [
      [...derivations, ...entities].flatMap((d) => [d.table.relid, ...d.inputs.map((i) => i.relid)]),
      readers.flatMap((r) => r?.name ?? []),
      derivations.map((d) => d.table.relid),
      [...planned.keys()],
      forced,
    ],
  );
  if (tables.length === 0)
    return [{ check: 'RowLevelSecurity', status: 'pass', message: 'no row level security on the tables of the plan' }];
  return tables.flatMap(({ ident, owners, forced_on_target, now }) =>
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
              message: `${now ? `${ident} has row level security` : `the plan gives ${ident} row level security`} and ${role.name} would see only some rows`,
              fixSql: `alter role ${role.ident} bypassrls`,
            },
      ),
  );
}

/** Whether the plan's policies can be made: a free name, roles that exist. */
export async function policyFindings(state: Access, plan: Plan, targets: readonly FillTarget[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const target of targets) {
    const planned = plan.tables[target.targetNo]?.rowLevelSecurity;
    if (planned === undefined) continue;
    const { relid, ident } = target.derivation.table;
    const [row] = await state.query<{ taken: boolean; missing: string[]; installed: boolean }>(
      'preflight: looking at the policy',
      `select exists (select from pg_policy p where p.polrelid = $1::oid and p.polname = $2) as taken,
              array(select w.name from unnest($3::text[]) as w (name) where to_regrole(format('%I', w.name)) is null) as missing,
              exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'highwater' where c.relname = 'created_object') as installed`,
      [relid, planned.policy, planned.roles],
    );
    const ours =
      row?.taken === true &&
      row.installed &&
      (await readCreated(state, target.migrationId)).some((one) => one.kind === 'policy' && one.relid === relid);
    if (row?.taken === true && !ours)
      findings.push({
        check: 'RowSecurityPolicy',
        status: 'fail',
        table: ident,
        message: `policy "${planned.policy}" of ${ident} is there already; choose another name, or leave rowLevelSecurity out`,
      });
    if (row && row.missing.length > 0)
      findings.push({
        check: 'RowSecurityPolicy',
        status: 'fail',
        table: ident,
        message: `the policy of ${ident} is for roles that do not exist: ${row.missing.join(', ')}`,
      });
  }
  return findings;
}
