import { HighwaterError } from '@highwater/kernel';
import { attemptDdl, type DdlBudget, type DdlOutcome } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { literal } from '../ddl/names.js';
import { rolesOf } from '../install/roles.js';
import type { Database } from '../session/database.js';
import type { FillTarget } from '../target.js';
import { bridgeDefinition, type BridgeOptions } from './definition.js';
import { isOurBridge, readBridgeFacts } from './facts.js';
import { checkRuleAsOwner } from './rule-check.js';

/**
 * Installs the bridge of one target, or finds it installed. One message, one lock: SHARE ROW EXCLUSIVE waits out every writer of
 * the table, so a fence written after this returned is after every row the bridge did not see.
 */
export async function installBridge(
  database: Database,
  target: FillTarget,
  options: BridgeOptions,
  budget: DdlBudget,
): Promise<DdlOutcome & { readonly adopted: boolean }> {
  const definition = bridgeDefinition(target, options);
  const { table } = target.derivation;
  const facts = await readBridgeFacts(database.ddl, target);
  if (facts.triggerExists && isOurBridge(facts, definition) && facts.enabledEverywhere)
    return { attempts: 0, lockWaitMs: 0, heldMs: 0, adopted: true };
  const foreign = [facts.triggerComment, facts.functionComment].some(
    (comment, i) => (i === 0 ? facts.triggerExists : facts.functionExists) && comment !== definition.comment,
  );
  if (foreign) throw notOurs(target, `trigger "${definition.triggerName}"`);
  const roles = await rolesOf(database);
  const { owner, ddl } = await quoted(database, roles);
  await checkRuleAsOwner(database, target, owner);
  const enable = facts.subscribed
    ? [`alter table ${table.ident} enable always trigger "${definition.triggerName}"`]
    : [];
  const outcome = await attemptDdl(
    database,
    {
      migrationId: target.migrationId,
      targetNo: target.targetNo,
      name: 'bridge',
      table: table.ident,
      relids: [table.relid],
      lock: [table.ident],
      // enabling a trigger takes no stronger lock than creating it
      lockMode: 'SHARE ROW EXCLUSIVE',
      statements: [
        // only what is there: DROP TRIGGER IF EXISTS takes ACCESS EXCLUSIVE even for a trigger that is not
        ...(facts.triggerExists ? [`drop trigger "${definition.triggerName}" on ${table.ident}`] : []),
        ...(facts.functionExists ? [`drop function ${definition.functionName}()`] : []),
        definition.createFunction,
        `revoke all on function ${definition.functionName}() from public`,
        // executing is checked when a trigger is made, never when it fires
        definition.createTrigger,
        ...enable,
        `comment on function ${definition.functionName}() is ${literal(definition.comment)}`,
        `comment on trigger "${definition.triggerName}" on ${table.ident} is ${literal(definition.comment)}`,
        ...(owner === ddl
          ? []
          : [
              // a new owner needs CREATE on the schema for the moment it becomes one
              `grant create on schema highwater to ${owner}`,
              `alter function ${definition.functionName}() owner to ${owner}`,
              `revoke create on schema highwater from ${owner}`,
            ]),
      ],
    },
    budget,
  );
  return { ...outcome, adopted: false };
}

/** Removes trigger and function, whatever their mode; does nothing when they are gone. */
export async function dropBridge(
  database: Database,
  target: FillTarget,
  budget: DdlBudget,
): Promise<DdlOutcome | undefined> {
  const facts = await readBridgeFacts(database.ddl, target);
  if (!facts.triggerExists && !facts.functionExists) return undefined;
  const { table } = target.derivation;
  const { functionName, triggerName } = bridgeDefinition(target, { mode: 'assign', reports: true });
  const ours = `highwater ${target.migrationId} `;
  const mine = (comment: string | null, exists: boolean): boolean => !exists || comment?.startsWith(ours) === true;
  if (!mine(facts.triggerComment, facts.triggerExists) || !mine(facts.functionComment, facts.functionExists))
    throw notOurs(target, `trigger "${triggerName}"`);
  return attemptDdl(
    database,
    {
      migrationId: target.migrationId,
      targetNo: target.targetNo,
      name: 'drop-bridge',
      table: table.ident,
      relids: [table.relid],
      lock: [table.ident],
      lockMode: 'ACCESS EXCLUSIVE', // what DROP TRIGGER takes
      statements: [
        `drop trigger if exists "${triggerName}" on ${table.ident}`,
        `drop function if exists ${functionName}()`,
      ],
    },
    budget,
  );
}

export function notOurs(target: FillTarget, what: string): HighwaterError {
  return new HighwaterError(
    ddlCodes.notOurs,
    'never',
    `${what} on ${target.derivation.table.ident} carries our name, but its comment says it is not what migration ${target.migrationId} would make`,
    { table: target.derivation.table.ident, what },
    'look at it; drop it if nobody needs it, then ask again',
  );
}

async function quoted(
  database: Database,
  roles: { bridge: string; ddl: string },
): Promise<{ owner: string; ddl: string }> {
  const [row] = await database.ddl.query<{ owner: string; ddl: string }>(
    'quoting role names',
    `select format('%I', $1::text) as owner, format('%I', $2::text) as ddl`,
    [roles.bridge, roles.ddl],
  );
  if (!row) throw new Error('invariant broken: one row of role names');
  return row;
}
