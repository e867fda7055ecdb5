import type { MigrationId, PlanHash, UnfillableReason } from '@highwater/kernel';
import type { Rule } from './rule.js';

/** `schema` undefined means: found on the search path `public`. Names are exact and never quoted. */
export interface TableName {
  readonly schema?: string;
  readonly name: string;
}

export interface TableKeyReference {
  readonly table: TableName;
  readonly columns: readonly string[];
}

export type OnDelete = 'restrict' | 'cascade' | 'setNull' | 'noAction';

export interface Target {
  readonly column: string;
  /** As PostgreSQL writes it: `text`, `uuid`, `bigint`. */
  readonly type: string;
  /** True: Highwater adds the nullable column at expand; false: the team's own migration did. */
  readonly addColumn: boolean;
}

/** `hold`: such rows block readiness. `leaveNull`: they are listed and stay NULL. */
export type UnfillablePolicy = (typeof unfillablePolicies)[number];
export const unfillablePolicies = ['hold', 'leaveNull'] as const;
export type UnfillablePolicies = Readonly<Partial<Record<UnfillableReason, UnfillablePolicy>>>;

export interface PlannedTable {
  readonly table: TableName;
  /** Undefined: the primary key. */
  readonly key?: readonly string[];
  readonly target: Target;
  /** The foreign key the target gets: NOT VALID, then validated. */
  readonly references?: {
    readonly table: TableName;
    readonly onDelete: OnDelete;
    /** The plan says `onDelete` itself, so an existing key with another action is replaced; otherwise it is adopted as it is. */
    readonly onDeleteSaid: boolean;
  };
  readonly notNull: boolean;
  /** What rows without a value mean, of whatever reason or of each named; see `policyOf`. */
  readonly unfillable?: UnfillablePolicy | UnfillablePolicies;
  readonly rule: Rule;
  /** Index name → columns, built concurrently after the fill. */
  readonly indexes: Readonly<Record<string, readonly string[]>>;
  /** Unique index name → columns, built concurrently once the rows are filled and before readiness. */
  readonly unique: Readonly<Record<string, readonly string[]>>;
  readonly rowLevelSecurity?: PlannedRowSecurity;
}

/** `USING` and `WITH CHECK (target = current_setting(setting))`, switched on after enforcement and with an approval of its own. */
export interface PlannedRowSecurity {
  readonly policy: string;
  /** Custom setting that the application's sessions carry: `app.tenant_id`. */
  readonly setting: string;
  /** Roles the policy is for; empty: everybody. */
  readonly roles: readonly string[];
  /** FORCE: the table's owner is restricted too. */
  readonly force: boolean;
}

/** A column of an entity's table and how its value follows from the source row. */
export interface PlannedColumn {
  readonly column: string;
  readonly rule: Rule | Now;
}

/** The moment of creation; a value, never part of an identity. */
export interface Now {
  readonly kind: 'now';
}

/** Rows the migration must have first: one for each row of `from`, made if absent. */
export interface PlannedEntity {
  readonly table: TableName;
  /** The source: a table of the application, or that of an earlier entity. */
  readonly from: TableName;
  /** The identity: what makes two sources mean one entity. Rules are over the source row. */
  readonly key: readonly (PlannedColumn & { readonly rule: Rule })[];
  readonly values: readonly PlannedColumn[];
  /** `application`: never made by us, only waited for. */
  readonly createdBy: 'highwater' | 'application';
  /** What sources mean of which none can be made, of whatever reason or of each named; see `entityPolicyOf`. */
  readonly unfillable?: UnfillablePolicy | UnfillablePolicies;
  /** Index name → columns, built concurrently after the fill. */
  readonly indexes: Readonly<Record<string, readonly string[]>>;
}

export interface Limits {
  readonly lockBudgetMs: number;
  readonly rowBudgetMs: number;
  readonly lockAttempts: number;
  readonly sweepWorkers: number;
  readonly replicaLagMs: number;
  /** Upper bound of rows per sweep chunk; the size adapts below it. */
  readonly chunkRowsMax: number;
  /** 0: unlimited. */
  readonly sweepRowsPerSecondMax: number;
}

export interface StreamSettings {
  readonly partitions: number;
  readonly retainedWalBytes: bigint;
  readonly atLimit: 'dropSlot' | 'hold';
  readonly onBreak: 'rebuild' | 'hold';
}

/** The validated, immutable request. JSON-serialisable but for bigint, see `planToJson`. */
export interface Plan {
  readonly migration: MigrationId;
  /** In the order in which they are made. */
  readonly entities: readonly PlannedEntity[];
  readonly tables: readonly PlannedTable[];
  readonly cutover: {
    readonly mode: 'bridge' | 'strict';
    readonly start: 'manual' | 'auto';
    readonly windowMs: number;
  };
  readonly limits: Limits;
  /** `null` is `stream: none`: no slot, no Kafka. */
  readonly stream: StreamSettings | null;
  /** Preflight warnings accepted by name. */
  readonly accept: readonly string[];
  readonly approvals: number;
  /** Each value written is entered by key in the same transaction, so that it can be repaired or taken back. */
  readonly journal: boolean;
  /** Verification sets right what moved sources left behind: only values of the journal that nobody changed since. */
  readonly repair: boolean;
  /** Name → query that must answer one row with 0. */
  readonly assertions: Readonly<Record<string, string>>;
}

/** A plan with the text it came from; the text is what is stored and hashed. */
export interface ParsedPlan {
  readonly plan: Plan;
  readonly source: string;
  readonly hash: PlanHash;
}

/** One finding in a plan file. `line` and `column` count from 1. */
export interface PlanIssue {
  readonly code: `HW1${string}`;
  readonly severity: 'error' | 'warning';
  readonly line: number;
  readonly column: number;
  /** Columns the caret line underlines. */
  readonly length: number;
  readonly message: string;
  readonly notes: readonly string[];
  readonly help?: string;
}
