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
 * Takes back everything of these kinds, one bounded attempt each; what is gone already is passed over, so it may be asked again after a
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
    const [next] = undoable(await readCreated(database.ddl, migrationId), kinds).filter(
      (one) => !kept.has(idOf(one)) && only(one),
    );
    if (!next) return [...kept.values()];
    try {
      await undo(database, undoStep(next), budget);
    } catch (error) {
      if (!isHighwaterError(error) || error.retry !== 'never') throw error;
      kept.set(idOf(next), { what: describeCreated(next), why: error.message });
      continue;
    }
    await after();
  }
}

async function undo(database: Database, { created, lock, sql }: UndoStep, budget: DdlBudget): Promise<void> {
  const done = `update highwater.created_object set undone_at = clock_timestamp() where migration_id = ${literal(created.migrationId)} and kind = ${literal(created.kind)} and relid = ${created.relid}::oid and name = ${literal(created.name)}`;
  if (lock === 'SHARE UPDATE EXCLUSIVE') {
    // marked first: a drop whose process dies is repeated while the index is there, and said to be done when it is not
    await database.ddl.query('recording what is taken back', done);
    await runLong(database, `dropping index ${created.ident}`, sql, budget.signal);
    return;
  }
  await attemptDdl(
    database,
    {
      migrationId: created.migrationId,
      targetNo: created.targetNo,
      name: 'rollback',
      table: (created.table ?? '') as Parameters<typeof attemptDdl>[1]['table'],
      relids: [created.relid],
      // DROP INDEX takes its locks in an order of its own
      lock: created.kind === 'index' ? [] : [(created.table ?? '') as Parameters<typeof attemptDdl>[1]['table']],
      lockMode: 'ACCESS EXCLUSIVE',
      statements: [sql, done],
    },
    budget,
  );
}

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
