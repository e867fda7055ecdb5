import { isHighwaterError } from '@highwater/kernel';
import { attemptDdl, type DdlBudget } from '../ddl/attempt.js';
import { runLong } from '../ddl/long.js';
import { literal } from '../ddl/names.js';
import { readCreated, type CreatedKind, type CreatedObjectNow } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';

/** In the order of DESIGN section 9; the column comes last of all, after the values. */
export const undoneBeforeValues = [
  'policy',
  'forcedRowSecurity',
  'rowSecurity',
  'notNull',
  'constraint',
  'index',
] as const satisfies readonly CreatedKind[];

/** Of one table these go together: one whose policy is gone while its row security stands shows the application nothing and takes nothing of it. */
const ofRowSecurity: readonly CreatedKind[] = ['policy', 'forcedRowSecurity', 'rowSecurity'];

/** One statement of a rollback on something that the migration made. */
export interface UndoStep {
  readonly created: CreatedObjectNow;
  readonly lock: 'ACCESS EXCLUSIVE' | 'SHARE UPDATE EXCLUSIVE';
  readonly sql: string;
}

/** What takes it back; only asked for what is present. */
export function undoStep(created: CreatedObjectNow): UndoStep {
  const { kind, table, ident, schema, partitioned } = created;
  const alter = (what: string): UndoStep => ({
    created,
    lock: 'ACCESS EXCLUSIVE',
    sql: `alter table ${table ?? ''} ${what}`,
  });
  switch (kind) {
    case 'policy':
      return { created, lock: 'ACCESS EXCLUSIVE', sql: `drop policy ${ident} on ${table ?? ''}` };
    case 'forcedRowSecurity':
      return alter('no force row level security');
    case 'rowSecurity':
      return alter('disable row level security');
    case 'notNull':
      return alter(`alter column ${ident} drop not null`);
    case 'constraint':
      return alter(`drop constraint ${ident}`);
    case 'column':
      return alter(`drop column ${ident}`);
    case 'index':
      return partitioned
        ? { created, lock: 'ACCESS EXCLUSIVE', sql: `drop index ${schema ?? ''}.${ident}` }
        : { created, lock: 'SHARE UPDATE EXCLUSIVE', sql: `drop index concurrently ${schema ?? ''}.${ident}` };
  }
}

/**
 * What is to be taken back of these kinds, in order: by kind, a partitioned table's before its partitions' (which mostly go with it), the
 * newest first. What somebody changed or dropped since is not among it.
 */
export const undoable = (
  created: readonly CreatedObjectNow[],
  kinds: readonly CreatedKind[],
): readonly CreatedObjectNow[] =>
  created
    .filter((one) => one.now === 'present' && !one.inherited && kinds.includes(one.kind))
    .toReversed()
    .toSorted((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || Number(b.partitioned) - Number(a.partitioned));

/** What stays, and why. */
export interface Kept {
  readonly what: string;
  readonly why: string;
}

/**
 * Takes back everything of these kinds, one bounded attempt each (row security and its policy in one); what is gone already is passed over, so it may be asked again after a
 * crash. What the server refuses to drop, since something that is not ours has come to depend on it, is kept and listed.
 */
export async function undoCreated(
  database: Database,
  migrationId: string,
  kinds: readonly CreatedKind[],
  budget: DdlBudget,
  after: () => Promise<void>,
  only: (one: CreatedObjectNow) => boolean = () => true,
): Promise<readonly Kept[]> {
  const kept = new Map<string, Kept>();
  for (;;) {
    const left = undoable(await readCreated(database.ddl, migrationId), kinds).filter(
      (one) => !kept.has(idOf(one)) && only(one),
    );
    const [next] = left;
    if (!next) return [...kept.values()];
    const together = ofRowSecurity.includes(next.kind)
      ? left.filter(({ kind, relid }) => relid === next.relid && ofRowSecurity.includes(kind))
      : [next];
    try {
      await undo(database, next, together.map(undoStep), budget);
    } catch (error) {
      if (!isHighwaterError(error) || error.retry !== 'never') throw error;
      for (const one of together) kept.set(idOf(one), { what: describeCreated(one), why: error.message });
      continue;
    }
    await after();
  }
}

/** In the order of the steps, in one message; `first` is what its lock and its messages are about. */
async function undo(
  database: Database,
  first: CreatedObjectNow,
  steps: readonly UndoStep[],
  budget: DdlBudget,
): Promise<void> {
  const table = (first.table ?? '') as Parameters<typeof attemptDdl>[1]['table'];
  if (steps.every(({ lock }) => lock === 'SHARE UPDATE EXCLUSIVE')) {
    for (const { created, sql } of steps) {
      // marked first: a drop whose process dies is repeated while the index is there, and said to be done when it is not
      await database.ddl.query('recording what is taken back', markUndone(created));
      await runLong(database, `dropping index ${created.ident}`, sql, budget.signal);
    }
    return;
  }
  await attemptDdl(
    database,
    {
      migrationId: first.migrationId,
      targetNo: first.targetNo,
      name: 'rollback',
      table,
      relids: [first.relid],
      // DROP INDEX takes its locks in an order of its own
      lock: first.kind === 'index' ? [] : [table],
      lockMode: 'ACCESS EXCLUSIVE',
      statements: steps.flatMap(({ created, sql }) => [sql, markUndone(created)]),
    },
    budget,
  );
}

const markUndone = ({ migrationId, kind, relid, name }: CreatedObjectNow): string =>
  `update highwater.created_object set undone_at = clock_timestamp() where migration_id = ${literal(migrationId)} and kind = ${literal(kind)} and relid = ${relid}::oid and name = ${literal(name)}`;

/** What it is in words: `index "Group_workspaceId_idx" of public."Group"`. */
export function describeCreated({ kind, ident, table }: CreatedObjectNow): string {
  const on = table ?? 'a table that is gone';
  switch (kind) {
    case 'notNull':
      return `NOT NULL of ${on}.${ident}`;
    case 'rowSecurity':
      return `row level security of ${on}`;
    case 'forcedRowSecurity':
      return `forced row level security of ${on}`;
    case 'column':
      return `column ${on}.${ident}`;
    default:
      return `${kind} ${ident} of ${on}`;
  }
}

const idOf = ({ kind, relid, name }: CreatedObjectNow): string => JSON.stringify([kind, relid, name]);
