import type { CompiledDerivation, CompiledEntity } from '@highwater/derivation';
import { isHighwaterError, messageOf } from '@highwater/kernel';
import type { Plan } from '@highwater/plan';
import {
  checkPrivileges,
  readOwners,
  requiredPrivileges,
  type Grantee,
  type RequiredPrivilege,
} from '../install/required-privileges.js';
import { rolesOf } from '../install/roles.js';
import { pauseBeforeTry } from '../replication/tries.js';
import { sessionCodes } from '../session/codes.js';
import type { Database } from '../session/database.js';
import { isConnectionLoss } from '../session/errors.js';
import { accessRoles } from '../session/settings.js';
import type { EntityTarget, FillTarget } from '../target.js';
import { judge, type Finding, type PreflightCheck } from './check.js';
import { connectionsFound } from './connections.js';
import { entityFindings } from './entities.js';
import { leftoverFindings } from './leftovers.js';
import { roleFindings } from './roles.js';
import { policyFindings } from './row-security.js';
import { assertionFindings, ruleFindings } from './rules.js';
import { serverFindings } from './server.js';
import { tableFindings } from './tables.js';

export interface PreflightRequest {
  readonly database: Database;
  readonly plan: Plan;
  /** Every entry of the plan, compiled. */
  readonly targets: readonly FillTarget[];
  /** Every entity of the plan, compiled. */
  readonly entities?: readonly EntityTarget[];
  /** Whether the brokers answered; leave out for a plan without a stream. */
  readonly kafka?: { readonly reachable: true } | { readonly reachable: false; readonly message: string };
  /** Sessions that the process keeps for its event log, as access role `state`; left out: none. */
  readonly eventLogSessions?: number;
}

/** Looks in all while connections are lost, within about two seconds: a server that restarts is an obstacle, a connection cut once is none. */
const looksMax = 5;

/**
 * Everything that can be known before anything is written. Reads only. Without all four connections nothing else is asked.
 * What the plan may accept by name fails until it does.
 */
export async function runPreflight(request: PreflightRequest): Promise<PreflightCheck[]> {
  for (let look = 1; ; look += 1) {
    try {
      return await lookOnce(request, look === looksMax);
    } catch (error) {
      if (look === looksMax || !isLoss(error)) throw error;
      await pauseBeforeTry(look);
    }
  }
}

const isLoss = (error: unknown): boolean =>
  isHighwaterError(error) ? error.code === sessionCodes.unreachable : isConnectionLoss(error);

async function lookOnce(request: PreflightRequest, last: boolean): Promise<PreflightCheck[]> {
  const { database, plan, targets } = request;
  const derivations = targets.map((target) => target.derivation);
  const entities = (request.entities ?? []).map((target) => target.entity);
  const connections = await Promise.all(accessRoles.map((role) => connection(database, role, last)));
  const refused = connections.filter((c) => c.status === 'fail');
  if (refused.length > 0) return refused.map((finding) => judge(finding, plan.accept));
  const roles = await rolesOf(database);
  const findings = [
    ...connections,
    ...planFindings(request),
    ...(await serverFindings(database.state, plan)),
    ...(await connectionsFound(database, roles, plan, request.eventLogSessions ?? 0)),
    ...(await roleFindings(database.state, roles, derivations, entities, plan)),
    ...(await grantFindings(database, roles, derivations, entities)),
    ...(await tableFindings(database, plan, derivations)),
    ...(await assertionFindings(database.fill, plan)),
    ...(await policyFindings(database.state, plan, targets)),
    ...(await entityFindings(database.state, plan, entities, derivations)),
    ...(await ruleFindings(database, derivations, entities)),
    ...(await leftoverFindings(database.state, targets[0]?.short)),
  ];
  return findings.map((finding) => judge(finding, plan.accept));
}

/** A lost connection is a finding of the last look only. */
async function connection(database: Database, role: (typeof accessRoles)[number], last: boolean): Promise<Finding> {
  try {
    await database[role].query(`preflight as access role ${role}`, 'select 1');
    return {
      check: 'Connection',
      status: 'pass',
      message: `access role ${role} connects, with its session settings read back`,
    };
  } catch (error) {
    if (!last && isLoss(error)) throw error;
    return { check: 'Connection', status: 'fail', message: messageOf(error) };
  }
}

function planFindings({ plan, kafka }: PreflightRequest): Finding[] {
  const findings: Finding[] = [];
  if (plan.cutover.mode === 'strict' && plan.stream === null)
    findings.push({
      check: 'StrictNeedsStream',
      status: 'fail',
      message: 'cutover mode strict is refused with stream: none; say mode: bridge, or give the plan a stream',
    });
  if (plan.stream !== null && kafka)
    findings.push(
      kafka.reachable
        ? { check: 'KafkaReachable', status: 'pass', message: 'Kafka answers' }
        : { check: 'KafkaReachable', status: 'fail', message: kafka.message },
    );
  return findings;
}

async function grantFindings(
  database: Database,
  roles: Readonly<Record<Grantee, string>>,
  derivations: readonly CompiledDerivation[],
  entities: readonly CompiledEntity[],
): Promise<Finding[]> {
  const tables = [...derivations, ...entities].map(({ table }) => table);
  const owners = await readOwners(
    database.state,
    [...tables, ...entities.map(({ source }) => source)].map(({ relid }) => relid),
  );
  const checked = await checkPrivileges(database.state, requiredPrivileges(derivations, owners, entities), roles);
  const missing = checked.filter((p) => !p.held);
  if (missing.length === 0)
    return [
      { check: 'Grant', status: 'pass', message: `all ${checked.length} privileges that the plan needs are there` },
    ];
  return missing.map((p) => ({
    check: 'Grant',
    status: 'fail',
    message: `access role ${p.grantee} (${roles[p.grantee]}) lacks ${p.privilege.toLowerCase()}${describe(p, [...tables, ...[...derivations, ...entities].flatMap(({ inputs }) => inputs)])}`,
    fixSql: p.grantSql,
  }));
}

function describe(
  { kind, name, relid }: RequiredPrivilege,
  tables: readonly { readonly relid: number; readonly ident: string }[],
): string {
  if (kind === 'database') return ' on the database';
  if (kind === 'sequence') return ` on the sequence of column "${name}"`;
  if (kind !== 'column') return ` on ${kind} "${name}"`;
  return ` on column "${name}" of ${tables.find((table) => table.relid === relid)?.ident ?? 'a table of the rule'}`;
}
