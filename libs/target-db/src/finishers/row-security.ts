import { HighwaterError } from '@highwater/kernel';
import type { PlannedRowSecurity } from '@highwater/plan';
import { attemptDdl, type DdlBudget, type DdlOutcome } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { literal } from '../ddl/names.js';
import { readCreated, recordCreated } from '../registry/created-objects.js';
import type { Access, Database } from '../session/database.js';
import type { FillTarget } from '../target.js';

/** A target whose table gets row level security, and how. */
export interface RowSecurityTarget {
  readonly target: FillTarget;
  readonly planned: PlannedRowSecurity;
}

export interface RowSecurityFacts {
  /** ENABLE, whoever said it. */
  readonly enabled: boolean;
  /** FORCE: the owner is restricted too. */
  readonly forced: boolean;
  /** The plan's policy stands as this migration made it. */
  readonly ours: boolean;
  /** A policy of that name stands, and it is not ours. */
  readonly foreign: boolean;
}

export async function rowSecurityFacts(
  access: Access,
  { target, planned }: RowSecurityTarget,
): Promise<RowSecurityFacts> {
  const { relid } = target.derivation.table;
  const [found] = await access.query<{ enabled: boolean; forced: boolean; policy: boolean }>(
    'reading row level security',
    `select c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
            exists (select from pg_policy p where p.polrelid = c.oid and p.polname = $2) as policy
       from pg_class c where c.oid = $1::oid`,
    [relid, planned.policy],
  );
  const created = await readCreated(access, target.migrationId);
  const ours = created.some(
    (one) => one.kind === 'policy' && one.relid === relid && one.name === planned.policy && one.now === 'present',
  );
  const policy = found?.policy === true;
  return {
    enabled: found?.enabled === true,
    forced: found?.forced === true,
    ours: policy && ours,
    foreign: policy && !ours,
  };
}

/** Whether everything stands that the plan wants. */
export const isRestricted = (facts: RowSecurityFacts, planned: PlannedRowSecurity): boolean =>
  facts.enabled && facts.ours && (facts.forced || !planned.force);

/**
 * What a row must be for a session: of the tenant that the setting names. A session that never set it, or whose transaction-local setting is
 * over (then it is empty, not NULL), sees nothing; without `nullif` an empty one would be an error for every type but text.
 */
export function policyCondition({ target, planned }: RowSecurityTarget): string {
  const { table, target: column } = target.derivation;
  const equals = table.columns.get(column.name)?.equality ?? 'operator(pg_catalog.=)';
  return `${column.ident} ${equals} nullif(pg_catalog.current_setting(${literal(planned.setting)}, true), '')::${column.type}`;
}

/** The statements of the one message; `roles` and `policy` as the catalog quotes them. */
export function rowSecurityStatements(
  wanted: RowSecurityTarget,
  quoted: { readonly policy: string; readonly roles: readonly string[] },
  facts: RowSecurityFacts = { enabled: false, forced: false, ours: false, foreign: false },
): string[] {
  const { ident } = wanted.target.derivation.table;
  const condition = policyCondition(wanted);
  const to = quoted.roles.length === 0 ? 'public' : quoted.roles.join(', ');
  return [
    ...(facts.ours
      ? []
      : [`create policy ${quoted.policy} on ${ident} for all to ${to} using (${condition}) with check (${condition})`]),
    ...(facts.enabled ? [] : [`alter table ${ident} enable row level security`]),
    ...(facts.forced || !wanted.planned.force ? [] : [`alter table ${ident} force row level security`]),
  ];
}

/**
 * Switches row level security on: policy and ENABLE (and FORCE) in one bounded message, so that there is never one without the other. Found
 * standing it does nothing. Called only after enforcement and with the approval that is its own.
 */
export async function enableRowSecurity(
  database: Database,
  wanted: RowSecurityTarget,
  budget: DdlBudget,
): Promise<DdlOutcome | undefined> {
  const { target, planned } = wanted;
  const { table } = target.derivation;
  const facts = await rowSecurityFacts(database.ddl, wanted);
  if (isRestricted(facts, planned)) return undefined;
  if (facts.foreign)
    throw new HighwaterError(
      ddlCodes.notOurs,
      'never',
      `policy "${planned.policy}" of ${table.ident} is there already, and this migration did not make it`,
      { table: table.ident, policy: planned.policy },
      'look at it; drop it or choose another name, then ask again',
    );
  const [quoted] = await database.ddl.query<{ policy: string; roles: string[] }>(
    'quoting a policy',
    `select format('%I', $1::text) as policy, array(select format('%I', r.name) from unnest($2::text[]) with ordinality as r (name, o) order by o) as roles`,
    [planned.policy, planned.roles],
  );
  if (!quoted) throw new Error('invariant broken: one row of names');
  const created = { ...target, relid: table.relid } as const;
  return attemptDdl(
    database,
    {
      migrationId: target.migrationId,
      targetNo: target.targetNo,
      name: 'row-security',
      table: table.ident,
      relids: [table.relid],
      lock: [table.ident],
      lockMode: 'ACCESS EXCLUSIVE',
      statements: [
        ...rowSecurityStatements(wanted, quoted, facts),
        // what was on before us stays on when a rollback takes ours away
        ...(facts.ours ? [] : [recordCreated({ ...created, kind: 'policy', name: planned.policy })]),
        ...(facts.enabled ? [] : [recordCreated({ ...created, kind: 'rowSecurity', name: '' })]),
        ...(facts.forced || !planned.force ? [] : [recordCreated({ ...created, kind: 'forcedRowSecurity', name: '' })]),
      ],
    },
    budget,
  );
}
