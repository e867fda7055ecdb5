import { HighwaterError } from '@highwater/kernel';
import { attemptDdl, type DdlBudget, type DdlOutcome } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { runLong } from '../ddl/long.js';
import type { DdlStep } from '../ddl/message.js';
import { checkName, guardComment, literal } from '../ddl/names.js';
import { notOurs } from '../bridge/bridge.js';
import { forgetCreated, recordCreated, type CreatedObject } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';
import { isSqlstate, sqlstate, sqlstateOf } from '../session/sqlstate.js';
import type { FillTarget } from '../target.js';
import { catalogFacts } from './facts.js';

/*
 *   open ──guardTable──▶ guarded ──validateGuard──▶ validated ──setNotNull──▶ enforced
 *     ◀── nullFound: all rolled back ──┘ ◀────── dropGuard ──────┘
 * Each arrow is one message or one statement; truth is the catalog (catalogFacts), so each may be repeated after a lost connection.
 */

/** Raised behind the lock by the proof; its own SQLSTATE, so that it is never taken for another error. */
const nullFoundState = 'HW520';

const step = (target: FillTarget, name: string, statements: readonly string[]): DdlStep => ({
  migrationId: target.migrationId,
  targetNo: target.targetNo,
  name,
  table: target.derivation.table.ident,
  relids: [target.derivation.table.relid],
  lock: [target.derivation.table.ident],
  lockMode: 'ACCESS EXCLUSIVE',
  statements,
});

/** The one message of the guard; exported for `plan`, which prints it. */
export function guardStatements(target: FillTarget): string[] {
  const { table, target: column } = target.derivation;
  const constraint = checkName(target);
  return [
    `alter table ${table.ident} add constraint ${constraint} check (${column.ident} is not null) not valid`,
    `comment on constraint ${constraint} on ${table.ident} is ${literal(guardComment(target))}`,
    // stale statistics must not choose a scan of the table under this lock
    `set local enable_seqscan = off`,
    `do $guard$ begin if exists (select from ${table.ident} as r where r.${column.ident} is null) then raise exception 'a row without value was found behind the lock' using errcode = '${nullFoundState}'; end if; end $guard$`,
  ];
}

/**
 * Lock, check and proof in one transaction (DESIGN section 2, trap 3): afterwards there is the check and no NULL row, or nothing of
 * ours. READ COMMITTED, so that the proof sees rows committed while we waited for the lock.
 */
export async function guardTable(
  database: Database,
  target: FillTarget,
  budget: DdlBudget,
): Promise<{ outcome: 'guarded' | 'nullFound' } & DdlOutcome> {
  const none = { attempts: 0, lockWaitMs: 0, heldMs: 0 };
  const facts = await catalogFacts(database.ddl, target);
  if (facts.notNull) return { outcome: 'guarded', ...none };
  if (facts.checkExists) {
    if (!facts.checkIsOurs) throw notOurs(target, `constraint ${checkName(target)}`);
    return { outcome: 'guarded', ...none };
  }
  if (!facts.nullIndexValid)
    throw new HighwaterError(
      ddlCodes.noProofIndex,
      'backoff',
      `guard of ${target.derivation.table.ident}: the partial index over rows without value is missing or invalid; without it the proof would scan the table under its lock`,
      { table: target.derivation.table.ident },
      'build it with buildNullIndex, then ask again',
    );
  try {
    return {
      outcome: 'guarded',
      ...(await attemptDdl(database, step(target, 'guard', guardStatements(target)), budget)),
    };
  } catch (error) {
    if (!(error instanceof HighwaterError)) throw error;
    if (sqlstateOf(error.cause) === nullFoundState) return { outcome: 'nullFound', ...none, attempts: 1 };
    // an attempt whose client was lost came first after all: the server went on with it after our look at the catalog
    if (isSqlstate(error.cause, sqlstate.duplicateObject) && (await catalogFacts(database.ddl, target)).checkIsOurs)
      return { outcome: 'guarded', ...none, attempts: 1 };
    throw error;
  }
}

/** Scans the table under SHARE UPDATE EXCLUSIVE; readers and writers go on. */
export async function validateGuard(database: Database, target: FillTarget, signal?: AbortSignal): Promise<void> {
  const { table } = target.derivation;
  await runLong(
    database,
    `validating the guard of ${table.ident}`,
    `alter table ${table.ident} validate constraint ${checkName(target)}`,
    signal,
  );
}

/**
 * SET NOT NULL believes the validated check and scans nothing; the check is dropped by a statement of its own, since one ALTER with
 * both drops first and then scans under the lock (trap 6).
 */
export async function setNotNull(
  database: Database,
  target: FillTarget,
  budget: DdlBudget,
): Promise<DdlOutcome | undefined> {
  const facts = await catalogFacts(database.ddl, target);
  if (facts.notNull) return facts.checkExists ? dropGuard(database, target, budget) : undefined;
  if (!facts.checkExists || !facts.checkValidated || !facts.checkIsOurs)
    throw new HighwaterError(
      ddlCodes.refused,
      'reconcile',
      `set not null on ${target.derivation.table.ident}: no validated check of ours; SET NOT NULL would scan the table under its lock`,
      { table: target.derivation.table.ident, checkExists: facts.checkExists, checkValidated: facts.checkValidated },
    );
  return attemptDdl(
    database,
    step(target, 'set-not-null', [...setNotNullStatements(target), recordCreated(notNullOf(target))]),
    budget,
  );
}

export function setNotNullStatements(target: FillTarget): string[] {
  const { table, target: column } = target.derivation;
  return [
    `alter table ${table.ident} alter column ${column.ident} set not null`,
    // gone already when an attempt whose client was lost came first
    `alter table ${table.ident} drop constraint if exists ${checkName(target)}`,
  ];
}

/** Takes our check away: undo before enforcement, or what is left after it. Does nothing when it is gone. */
export async function dropGuard(
  database: Database,
  target: FillTarget,
  budget: DdlBudget,
): Promise<DdlOutcome | undefined> {
  const facts = await catalogFacts(database.ddl, target);
  if (!facts.checkExists) return undefined;
  if (!facts.checkIsOurs) throw notOurs(target, `constraint ${checkName(target)}`);
  return attemptDdl(
    database,
    step(target, 'drop-guard', [
      `alter table ${target.derivation.table.ident} drop constraint if exists ${checkName(target)}`,
    ]),
    // as long as it stands writers of NULL fail: that is dearer than a wait of the budget
    { holderWaitMs: budget.lockBudgetMs, ...budget },
  );
}

/** Undo after enforcement: metadata only; the bridge stays. */
export async function unenforce(
  database: Database,
  target: FillTarget,
  budget: DdlBudget,
): Promise<DdlOutcome | undefined> {
  const facts = await catalogFacts(database.ddl, target);
  if (!facts.notNull) return undefined;
  const { table, target: column } = target.derivation;
  return attemptDdl(
    database,
    step(target, 'unenforce', [
      `alter table ${table.ident} alter column ${column.ident} drop not null`,
      forgetCreated(notNullOf(target)),
    ]),
    budget,
  );
}

const notNullOf = ({ migrationId, targetNo, derivation: { table, target } }: FillTarget): CreatedObject => ({
  migrationId,
  targetNo,
  kind: 'notNull',
  relid: table.relid,
  name: target.name,
});
