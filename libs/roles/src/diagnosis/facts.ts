import { sameType } from '@highwater/derivation';
import type { HistoryTable, HistoryTool, Leftover, NullCount, TableShape } from '@highwater/target-db';
import type { Proof } from './proof.js';

/** One entry of the plan, as far as the diagnosis needs it, and what there is of it. */
export interface TargetFacts {
  /** As the plan names it: `Group`, `app.Group`. */
  readonly table: string;
  readonly schema: string;
  readonly name: string;
  readonly column: string;
  readonly type: string;
  readonly addColumn: boolean;
  readonly notNull: boolean;
  readonly references: { readonly schema: string; readonly name: string } | null;
  /** Index name → columns. */
  readonly indexes: Readonly<Record<string, readonly string[]>>;
  /** Those of `indexes` that shall be unique. */
  readonly unique: readonly string[];
  /** Undefined: there is no such table. */
  readonly shape: TableShape | undefined;
  /** Undefined where there is no column to count. */
  readonly nulls: NullCount | undefined;
}

/** One entity of the plan, and what there is of its table. */
export interface EntityFacts {
  readonly table: string;
  readonly from: string;
  /** Columns that say which entity it is. */
  readonly identity: readonly string[];
  readonly createdBy: 'highwater' | 'application';
  readonly indexes: Readonly<Record<string, readonly string[]>>;
  /** Empty: indexes of an entity are never unique. */
  readonly unique: readonly string[];
  readonly shape: TableShape | undefined;
}

/** Something of the plan that the catalog does not bear out: an identity without its unique index, a column of a rule that is not there. */
export interface Misfit {
  readonly on: string;
  readonly message: string;
}

/** One migration of the team, in the folder or in the tool's own table or in both. */
export interface TeamMigration {
  readonly tool: HistoryTool;
  readonly name: string;
  /** `pending`: in the folder alone. */
  readonly state: 'applied' | 'failed' | 'rolledBack' | 'pending';
  /** Its script, when the folder has it and it is SQL. */
  readonly script: { readonly path: string; readonly sha256: string; readonly proof: Proof } | null;
  /** Tables of the plan whose name and target a script of another language mentions: more cannot be known. */
  readonly mentions: readonly string[];
  /** The file is another than the one that was begun; null: not known. */
  readonly edited: boolean | null;
}

/** Everything that was looked at; nothing else decides. */
export interface DatabaseFacts {
  readonly migration: string;
  /** As it was given, for the commands. */
  readonly planFile: string;
  readonly stream: boolean;
  readonly targets: readonly TargetFacts[];
  readonly entities: readonly EntityFacts[];
  /** Beyond what tables and columns alone show; of targets only where their columns are there. */
  readonly misfits: readonly Misfit[];
  /** GRANT of each privilege that a role of ours lacks. */
  readonly missingGrants: readonly string[];
  /** Entity tables and references of the plan that are not there. */
  readonly missingTables: readonly string[];
  readonly histories: readonly HistoryTable[];
  /** Undefined: no folder was given or found. */
  readonly folder:
    { readonly path: string; readonly tool: HistoryTool; readonly schemaFile: string | null } | undefined;
  readonly team: readonly TeamMigration[];
  readonly installed: boolean;
  /** The migration of that name, when it is registered. */
  readonly registered: { readonly phase: string; readonly samePlan: boolean } | undefined;
  /** Processes of ours that are connected now. */
  readonly atWork: readonly string[];
  readonly othersLiving: readonly string[];
  /** Of migrations that nobody knows any more; those of this plan are `own`. */
  readonly leftovers: readonly (Leftover & { readonly own: boolean; readonly removal: string })[];
}

export const hasColumn = ({ shape, column }: TargetFacts): boolean =>
  shape?.columns.some(({ name }) => name === column) === true;

export const columnOf = ({ shape, column }: TargetFacts): TableShape['columns'][number] | undefined =>
  shape?.columns.find(({ name }) => name === column);

/** Of the plan's type too. */
export const hasPlannedColumn = (target: TargetFacts): boolean => sameType(columnOf(target)?.type ?? '', target.type);

/** Rows without a value; the upper bound of an estimate, and of what could not be read as well: never a false zero. */
export function nullsAtMost(nulls: NullCount | undefined): number {
  if (!nulls) return 0;
  if (nulls.kind === 'exact') return nulls.nulls;
  return nulls.kind === 'estimate' ? nulls.high : Number.POSITIVE_INFINITY;
}
