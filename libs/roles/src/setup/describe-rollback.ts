import { formatDuration } from '@highwater/kernel';
import {
  catalogFacts,
  columnUsers,
  countJournaled,
  describeEntityDeletion,
  leftoverKinds,
  leftoversOf,
  readCreated,
  removalOf,
  undoable,
  undoneBeforeValues,
  undoStep,
  unfillStatement,
  type Database,
  type FillTarget,
} from '@highwater/target-db';
import { entitiesToDelete } from '../control/entities-to-delete.js';
import type { PlannedStep } from '../control/port.js';
import type { ResolvedPlan } from '../control/resolve.js';

/** A count that takes longer is not waited for. */
const countMsMax = 10_000;

/** What `rollback` would do now, in its order, each with the very statement, its lock and how much it is about. Changes nothing. */
export async function describeRollback(
  database: Database,
  { plan, targets, catalog }: ResolvedPlan,
  id: string,
): Promise<readonly PlannedStep[]> {
  const { limits } = plan;
  const bounded = `waits and holds at most ${formatDuration(limits.lockBudgetMs)} together, ${limits.lockAttempts} attempts`;
  const steps: PlannedStep[] = [];
  const add = (step: string, table: string | null, lock: string, effect: string, sql: readonly string[]): void =>
    void steps.push({ step: `rollback: ${step}`, table, lock, effect, sql });

  add('stop', null, 'none', 'sweep and live fill are halted, and no write of ours can commit any more', []);
  const created = await readCreated(database.ddl, id);
  for (const one of undoable(created, undoneBeforeValues)) {
    const { lock, sql } = undoStep(one);
    add(one.kind, one.table, lock, lock === 'ACCESS EXCLUSIVE' ? bounded : 'writers go on', [sql]);
  }
  for (const one of created)
    if (one.now === 'changed')
      add(`keep ${one.kind}`, one.table, 'none', `${one.ident} is not what this migration made any more`, []);
  const ours = await leftoversOf(database.state, targets[0]?.short ?? '');
  for (const one of ours.toSorted((a, b) => leftoverKinds.indexOf(a.kind) - leftoverKinds.indexOf(b.kind))) {
    const lock = ['trigger', 'constraint'].includes(one.kind) ? 'ACCESS EXCLUSIVE' : 'none that writers wait for';
    add(`our ${one.kind}`, one.on, lock, lock === 'ACCESS EXCLUSIVE' ? bounded : 'writers go on', [removalOf(one)]);
  }
  if (plan.stream !== null)
    add('topics', null, 'none', 'the topics and the consumer group of the hints are deleted', []);

  const going = new Set<string>();
  const columns: PlannedStep[] = [];
  for (const one of created.filter(({ kind, now }) => kind === 'column' && now === 'present')) {
    const users = await columnUsers(database.ddl, one.relid, one.name);
    const foreign = users.filter((user) => !isOurs(user, created, targets));
    const { lock, sql } = undoStep(one);
    if (foreign.length === 0) going.add(`${one.relid}.${one.name}`);
    columns.push({
      step: foreign.length === 0 ? 'rollback: column' : 'rollback: keep column',
      table: one.table,
      lock: foreign.length === 0 ? lock : 'none',
      effect: foreign.length === 0 ? `${bounded}; every value in it goes with it` : `${foreign.join(', ')} uses it`,
      sql: foreign.length === 0 ? [sql] : [],
    });
  }
  const isGoing = ({ derivation: { table, target } }: FillTarget): boolean =>
    going.has(`${table.relid}.${target.name}`);
  for (const target of targets) {
    const { table } = target.derivation;
    if (isGoing(target)) continue;
    if (plan.journal) {
      const effect = await valuesEffect(database, target);
      add('values', table.ident, 'ROW', `${effect}; rows locked for less than ${formatDuration(limits.rowBudgetMs)}`, [
        unfillStatement(target),
      ]);
    } else add('keep values', table.ident, 'none', 'the plan has no journal: ours cannot be told from others', []);
  }
  steps.push(...columns);
  for (const entity of entitiesToDelete({ id, plan, catalog, targets }, isGoing).toReversed()) {
    const { sql, made } = await describeEntityDeletion(database.ddl, entity);
    const effect = `${made} rows were made; those that nothing refers to and nobody changed since, each locked while every foreign key is looked at`;
    add('entities', entity.table.ident, 'ROW', effect, [sql]);
  }
  return steps;
}

async function valuesEffect(database: Database, target: FillTarget): Promise<string> {
  const facts = await catalogFacts(database.ddl, target);
  if (!facts.columnExists) return 'the column is gone';
  const found = await countJournaled(database.fill, target, countMsMax);
  if (!found) return `not counted within ${countMsMax / 1000} s`;
  return `${found.held} rows still hold the value of their journal entry and become NULL, ${found.changed} were changed since and stay`;
}

/** What uses a column now and is gone by the time it is dropped, as the server describes it. */
function isOurs(
  user: string,
  created: Awaited<ReturnType<typeof readCreated>>,
  targets: readonly FillTarget[],
): boolean {
  const short = targets[0]?.short ?? '';
  const named = created.some(
    (one) => one.kind !== 'column' && one.now === 'present' && one.name !== '' && user.includes(one.name),
  );
  return named || user.includes(`hw_${short}`);
}
