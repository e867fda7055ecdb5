import { setTimeout as pause } from 'node:timers/promises';
import { isHighwaterError } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import {
  beginRollback,
  catalogFacts,
  columnUsers,
  deleteEntityPage,
  describeCreated,
  drainGate,
  dropBridge,
  dropGuard,
  dropNullIndex,
  keptEntities,
  readCreated,
  readRollbackProgress,
  restoreForeignKeys,
  rowsHeld,
  undoCreated,
  undoneBeforeValues,
  unfillPage,
  type CreatedObjectNow,
  type DdlBudget,
  type FillTarget,
  type Kept,
  type StoredOperation,
} from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import { issue, type ControlContext, type Issuer } from '../context.js';
import { entitiesToDelete } from '../entities-to-delete.js';
import { say, type ProcessState } from '../process-state.js';
import { budgetOf } from './budget.js';
import { remaining } from './finish.js';
import { takeStreamDown } from './take-stream-down.js';

/** Looks at rows that somebody holds, and the pause between two, before the act says who is waited for and begins anew. */
const heldLooksMax = 50;
const heldPauseMs = 200;
const firstPageRows = 500;
/** Keys of kept entities that the operation's result shows; the rest is in highwater.created_entity. */
const keysShownMax = 20;

export interface RolledBack {
  readonly undone: readonly string[];
  readonly kept: readonly string[];
  readonly leftovers: readonly string[];
  /** Keys of entities that stay, by table: the first ones. */
  readonly keptEntities: Readonly<Record<string, readonly (readonly string[])[]>>;
}

/*
 * Takes back what the migration made and, by the journal, what it wrote; nothing else (DESIGN section 9).
 *
 *   halt, gates proved closed ─▶ policies ─▶ row security ─▶ constraints ─▶ indexes ─▶ guard, partial index, bridge ─▶ stream
 *     ─▶ values (journal, by pages) ─▶ columns we added ─▶ entities nobody refers to (by pages) ─▶ RolledBack
 *
 * Durable: the operation, Halted, `undone_at` of each object, cursor and counts of each page. Every step looks first, so a crash at any
 * arrow is a repetition; nothing is remembered in between that decides anything.
 */
export async function rollBack(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  operation: StoredOperation,
  signal: AbortSignal,
): Promise<RolledBack> {
  const { database } = context;
  const by: Issuer = { actor: operation.actor, operationId: operation.id };
  const { reason, lockBudgetMs, lockAttempts } = operation.request;
  const why = typeof reason === 'string' ? reason : '';
  const budget = budgetOf(state, signal, {
    lockBudgetMs: typeof lockBudgetMs === 'number' ? lockBudgetMs : undefined,
    lockAttempts: typeof lockAttempts === 'number' ? lockAttempts : undefined,
  });
  // an event, so that no process that comes later opens a gate in the middle
  const halted =
    state.phase === 'finished' ? state : await issue(context, process.id, 'Halt', { reason: `rollback: ${why}` }, by);
  await drainGate(database.state, { migrationId: process.id, short: process.short }, ['sweep', 'live']);
  await failpoint('rollback.afterHalted');

  const kept: Kept[] = [];
  doing(process, 'taking back policies, constraints and indexes');
  await restoreForeignKeys(database, process, budget);
  kept.push(
    ...(await undoCreated(database, process.id, undoneBeforeValues, budget, () => failpoint('rollback.afterObject'))),
  );
  doing(process, 'taking our own objects away');
  for (const target of process.targets) kept.push(...(await takeOursAway(context, target, budget)));
  await takeStreamDown(context, process, halted, signal);
  await failpoint('rollback.afterStream');

  const columns = await columnsOf(context, process);
  kept.push(...columns.kept);
  await takeValuesBack(context, process, state, columns.going, signal);
  const isGoing = (one: CreatedObjectNow): boolean =>
    columns.going.some(({ relid, name }) => relid === one.relid && name === one.name);
  const afterColumn = (): Promise<void> => failpoint('rollback.afterColumn');
  kept.push(...(await undoCreated(database, process.id, ['column'], budget, afterColumn, isGoing)));
  await deleteEntities(context, process, signal);
  return record(context, process, state, kept, why, by);
}

const doing = (process: ProcessState, message: string): void => say(process, 'rollback', message, new Date());

/** What carries our own name; an object that bears it and is not ours stays and is listed. */
async function takeOursAway(
  { database }: ControlContext,
  target: FillTarget,
  budget: DdlBudget,
): Promise<readonly Kept[]> {
  const kept: Kept[] = [];
  const steps: readonly (() => Promise<unknown>)[] = [
    () => dropGuard(database, target, budget),
    () => dropNullIndex(database, target, budget.signal),
    () => dropBridge(database, target, budget),
  ];
  for (const step of steps) {
    try {
      await step();
    } catch (error) {
      if (!isHighwaterError(error) || error.retry !== 'never') throw error;
      kept.push({ what: `an object on ${target.derivation.table.ident}`, why: error.message });
    }
    await failpoint('rollback.afterOwn');
  }
  return kept;
}

/** The columns that we added and that nobody has come to use: dropped, so their values need not be taken back one by one. */
async function columnsOf(
  { database }: ControlContext,
  process: ProcessState,
): Promise<{ going: readonly CreatedObjectNow[]; kept: readonly Kept[] }> {
  const going: CreatedObjectNow[] = [];
  const kept: Kept[] = [];
  for (const column of await readCreated(database.ddl, process.id)) {
    if (column.kind !== 'column' || column.now === 'gone') continue;
    const users = await columnUsers(database.ddl, column.relid, column.name);
    if (users.length === 0 && column.now === 'present') going.push(column);
    else
      kept.push({
        what: describeCreated(column),
        why: users.length > 0 ? `${users.join(', ')} uses it` : 'its type was changed since',
      });
  }
  return { going, kept };
}

async function takeValuesBack(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  going: readonly CreatedObjectNow[],
  signal: AbortSignal,
): Promise<void> {
  const { database } = context;
  const targets: FillTarget[] = [];
  for (const target of process.plan.journal ? process.targets : []) {
    const { table, target: column } = target.derivation;
    if (going.some((one) => one.relid === table.relid && one.name === column.name)) continue;
    const facts = await catalogFacts(database.ddl, target);
    // a NOT NULL that was there before us, or that the team has set since, wants the values
    if (facts.columnExists && !facts.notNull) targets.push(target);
  }
  await beginRollback(
    database.fill,
    process.id,
    'values',
    targets.map((target) => target.targetNo),
  );
  for (const target of targets) {
    const { ident } = target.derivation.table;
    let rows = firstPageRows;
    await everyPage(process, `taking values back in ${ident}`, ident, signal, async () => {
      const page = await unfillPage(database.fill, target, rows, state.limits.rowBudgetMs);
      rows = page.rows;
      await failpoint('rollback.afterPage');
      return { done: page.done, moved: page.undone, held: page.held };
    });
  }
}

async function deleteEntities(context: ControlContext, process: ProcessState, signal: AbortSignal): Promise<void> {
  const { database } = context;
  const created = await readCreated(database.ddl, process.id);
  const entities = entitiesToDelete(process, (target) => isGone(created, target));
  await beginRollback(
    database.fill,
    process.id,
    'entities',
    entities.map((entity) => entity.entityNo),
  );
  // what was made from an entity refers to it, and goes first
  for (const entity of entities.toReversed()) {
    const { ident } = entity.table;
    let rows = firstPageRows;
    await everyPage(process, `deleting entities of ${ident} that nothing refers to`, ident, signal, async () => {
      const page = await deleteEntityPage(database.ddl, entity, rows);
      rows = page.rows;
      await failpoint('rollback.afterEntities');
      return { done: page.done, moved: page.deleted, held: page.held };
    });
  }
}

/** Until the last page; held rows are looked at again after a pause, never waited for. */
async function everyPage(
  process: ProcessState,
  what: string,
  table: string,
  signal: AbortSignal,
  next: () => Promise<{ done: boolean; moved: number; held: number }>,
): Promise<void> {
  let [total, heldLooks] = [0, 0];
  for (;;) {
    signal.throwIfAborted();
    doing(process, `${what}: ${total} so far`);
    const { done, moved, held } = await next();
    total += moved;
    if (done) return;
    heldLooks = held > 0 && moved === 0 ? heldLooks + 1 : 0;
    if (heldLooks > heldLooksMax) throw rowsHeld(table, held);
    if (held > 0) await pause(heldPauseMs, undefined, { signal });
  }
}

async function record(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  kept: readonly Kept[],
  reason: string,
  by: Issuer,
): Promise<RolledBack> {
  const { database } = context;
  const created = await readCreated(database.ddl, process.id);
  const progress = await readRollbackProgress(database.state, process.id);
  const entities = entitiesToDelete(process, () => false);
  const counted = (what: 'values' | 'entities', pick: 'undone' | 'kept', words: (no: number) => string): string[] =>
    progress.flatMap((one) => (one.what === what && one[pick] > 0 ? [`${one[pick]} ${words(one.no)}`] : []));
  const column = (no: number): string => {
    const target = process.targets[no]?.derivation;
    return `${target?.table.ident ?? ''}.${target?.target.ident ?? ''}`;
  };
  const table = (no: number): string => entities.find((one) => one.entityNo === no)?.table.ident ?? '';
  const undone = [
    ...created.filter((one) => one.now === 'gone' && one.undoneAt !== null).map(describeCreated),
    ...counted('values', 'undone', (no) => `values of ${column(no)}`),
    ...counted('entities', 'undone', (no) => `rows of ${table(no)}`),
  ];
  const stays = [
    ...kept.map(({ what, why }) => `${what}: ${why}`),
    ...created
      .filter((one) => one.now === 'changed' && one.kind !== 'column')
      .map((one) => `${describeCreated(one)}: it is not what this migration made any more`),
    ...counted('values', 'kept', (no) => `values of ${column(no)}: changed since we wrote them`),
    ...(state.epoch > 0 ? process.targets : [])
      .filter(({ targetNo }) => !progress.some((one) => one.what === 'values' && one.no === targetNo))
      .filter((target) => !isGone(created, target))
      .map(({ targetNo }) => `values of ${column(targetNo)}: ${process.plan.journal ? 'the column is NOT NULL' : 'the plan has no journal, so ours cannot be told from others'}`), // prettier-ignore
    ...counted('entities', 'kept', (no) => `rows of ${table(no)}: referred to or changed by now`),
  ];
  const shown: Record<string, string[][]> = {};
  for (const entity of entities)
    if (progress.some((one) => one.what === 'entities' && one.no === entity.entityNo && one.kept > 0))
      shown[entity.table.ident] = await keptEntities(database.ddl, entity, keysShownMax);
  const leftovers = await remaining(context, process);
  await issue(context, process.id, 'RecordRolledBack', { reason, undone, kept: stays, leftovers }, by);
  return { undone, kept: stays, leftovers, keptEntities: shown };
}

const isGone = (created: readonly CreatedObjectNow[], { derivation: { table, target } }: FillTarget): boolean =>
  created.some(
    (one) => one.kind === 'column' && one.now === 'gone' && one.relid === table.relid && one.name === target.name,
  );
