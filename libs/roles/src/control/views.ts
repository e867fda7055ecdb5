import type { UnfillablePolicy } from '@highwater/plan';
import type { EntityForecast, TableForecast } from '@highwater/target-db';

// What is answered to whoever looks at a migration: the shapes that API, CLI and the stored evaluation share.

export interface MigrationSummary {
  readonly id: string;
  readonly phase: string;
  readonly pause: 'running' | 'paused' | 'halted';
  readonly planHash: string;
}

export interface TableStatus {
  readonly table: string;
  readonly target: string;
  /** Rows filled, by source, as committed with the rows. */
  readonly filled: { readonly sweep: number; readonly live: number; readonly tailPass: number };
  readonly unfillable: number;
  /** Exact, by the partial index; null while it is not there, or the table could not be counted in time. */
  readonly nulls: number | null;
  readonly enforced: boolean;
}

/** Rows that the migration needs before others can have their value. */
export interface EntityStatus {
  readonly table: string;
  /** The source: one entity for each row of it whose identity has a value. */
  readonly from: string;
  readonly createdBy: 'highwater' | 'application';
  /** Rows made by us, whichever way. */
  readonly created: number;
  /** Of the latest pass over the sources, 0 being that over history; null: none has begun. */
  readonly pass: number | null;
  readonly passDone: boolean;
  readonly sourcesSeen: number;
  readonly sourcesExpected: number;
  /** Sources without their entity when they were counted last, the unfillable ones not among them; null: not counted. */
  readonly missing: number | null;
  /** Sources of which none can be made, listed with the reason. */
  readonly unfillable: number;
}

export interface HintTally {
  readonly filled: number;
  readonly already: number;
  readonly gone: number;
  readonly unfillable: number;
  readonly contended: number;
  readonly parked: number;
  readonly deadLetter: number;
}

export interface DdlStepView {
  readonly table: string | null;
  readonly step: string;
  readonly lockMode: string;
  readonly attempts: number;
  readonly lockWaitMs: number;
  readonly heldMs: number;
  readonly at: string;
}

/** A relay, filler or sweeper of any process, as it said a second ago. */
export interface WorkerView {
  readonly instance: string;
  readonly role: string;
  readonly state: string;
  readonly reason: string;
  readonly message: string;
  readonly since: string;
  readonly rowsPerSecond: number | null;
  readonly chunkRows: number | null;
}

export interface FenceView {
  readonly token: string;
  readonly writtenAt: string;
  readonly partitions: number;
  readonly reached: number;
  /** null: it is on its way. */
  readonly roundTripMs: number | null;
}

export interface CutoverStatus {
  readonly start: 'manual' | 'auto';
  readonly attempts: number;
  readonly held: { readonly actor: string; readonly at: string; readonly reason: string } | null;
  readonly approvals: { readonly given: readonly string[]; readonly required: number };
  readonly lastFailure: {
    readonly at: string;
    readonly attempt: number;
    readonly table: string | null;
    readonly code: string;
    readonly message: string;
  } | null;
}

export type { RowSecurityReport } from '@highwater/target-db';

export interface RowSecurityStatus {
  readonly approvals: { readonly given: readonly string[]; readonly required: number };
  readonly tables: readonly { readonly table: string; readonly policy: string; readonly on: boolean }[];
  /** Why it could not be switched on; it is tried again. */
  readonly trouble: string | null;
}

export interface MigrationStatusView {
  readonly id: string;
  readonly phase: string;
  readonly phaseSince: string;
  readonly pause: 'running' | 'paused' | 'halted';
  readonly epoch: number;
  readonly stream: 'none' | 'open' | 'broken';
  readonly planHash: string;
  readonly mode: 'bridge' | 'strict';
  readonly tables: readonly TableStatus[];
  readonly entities: readonly EntityStatus[];
  readonly progress: { readonly percent: number | null; readonly rowsDone: number; readonly rowsExpected: number };
  readonly rowsPerSecond: number;
  /** Milliseconds; null: unknown. */
  readonly eta: { readonly p50Ms: number; readonly p90Ms: number } | null;
  /** Why nothing moves, or what is being done. */
  readonly reason: { readonly code: string; readonly message: string; readonly since: string };
  readonly readyGeneration: string | null;
  /** Information only: the fence decides. Null: no stream. */
  readonly lag: { readonly bytes: number; readonly seconds: number | null } | null;
  readonly fence: FenceView | null;
  /** Why the sweep goes slower than it could; null: it does not. */
  readonly throttled: { readonly reason: string; readonly message: string; readonly since: string } | null;
  /** Rows of the next chunk, the largest of all sweepers; null: none has said. */
  readonly chunkRows: number | null;
  readonly workers: readonly WorkerView[];
  readonly cutover: CutoverStatus;
  /** Null: the plan has none. */
  readonly rowSecurity: RowSecurityStatus | null;
  readonly limits: Readonly<Record<string, number>>;
  /** Where the process that controls it now found it: resumed, not restarted. Null: it was there from the beginning. */
  readonly resumedFrom: { readonly position: string; readonly at: string } | null;
  readonly hints: HintTally;
  readonly bridge: readonly {
    readonly applicationName: string;
    readonly outcome: string;
    readonly statements: string;
    readonly lastAt: string;
  }[];
  readonly slot: {
    readonly retainedBytes: number;
    /** The nearer of the plan's `retainedWal` and what the server keeps. */
    readonly limitBytes: number;
    /** Of that limit; null: there is none. */
    readonly percent: number | null;
    /** Growth of what is retained, negative while it shrinks; null: not known yet. */
    readonly bytesPerSecond: number | null;
    /** Until the slot is lost if it goes on so; null: not known, or it does not grow, or nothing takes it away. */
    readonly lostInMs: number | null;
    readonly active: boolean;
    /** From 75% of the limit on: how much, of what, and who keeps it. */
    readonly alarm: string | null;
  } | null;
  readonly ddlSteps: readonly DdlStepView[];
  readonly leftovers: readonly string[];
  /** How it ended; null: it has not. */
  readonly outcome: 'finished' | 'rolled-back' | null;
  /** What a rollback took back, and what stays and why; in words, with counts. */
  readonly undone: readonly string[];
  readonly kept: readonly string[];
  /** What the operator would restore from, as told to `init --backup`; null: nothing was told. */
  readonly backup: { readonly reference: string; readonly recordedAt: string; readonly recordedBy: string } | null;
  readonly statusLine: string;
  readonly evaluatedAt: string;
}

export interface ConditionView {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly evidence: Readonly<Record<string, unknown>>;
}

export interface ReadinessView {
  readonly migration: string;
  readonly ready: boolean;
  readonly generation: string;
  readonly evaluatedAt: string;
  readonly conditions: readonly ConditionView[];
}

export interface StoredEventView {
  readonly position: string;
  readonly version: number;
  readonly type: string;
  readonly at: string;
  readonly data: unknown;
  readonly metadata: unknown;
}

export interface UnfillableRowView {
  /** Of the key: the target's, or the source's of an entity that cannot be made. */
  readonly table: string;
  /** Empty for an entity. */
  readonly target: string;
  /** The entity's table; null: a target. */
  readonly entity: string | null;
  readonly key: readonly string[];
  readonly reason: string;
  /** What the plan says of such rows: `hold` blocks readiness, `leaveNull` does not. */
  readonly policy: UnfillablePolicy;
  readonly sqlstate: string | null;
  readonly constraint: string | null;
  readonly attempts: number;
  readonly firstSeen: string;
  readonly lastSeen: string;
}

export interface UnfillableListView {
  readonly rows: readonly UnfillableRowView[];
  /** The `cursor` of the next page; null: there is none. */
  readonly nextCursor: string | null;
}

export interface VerifiedTable {
  readonly table: string;
  readonly target: string;
  readonly checked: number;
  readonly mismatches: number;
  /** Rows without a value: listed as unfillable or still to be filled, never mismatches. */
  readonly nulls: number;
}

/** A row that holds another value than the rule gives; its key alone, never a value. */
export interface MismatchView {
  readonly table: string;
  readonly target: string;
  readonly key: readonly string[];
  /** null: the values differ; else the server refused to compute the rule for this row. */
  readonly sqlstate: string | null;
  /** Why the plan's repair left it; null: no repair was tried. */
  readonly kept: string | null;
  readonly foundAt: string;
}

/** What the last count of an entity's sources came to. */
export interface VerifiedEntity {
  readonly table: string;
  readonly from: string;
  readonly createdBy: 'highwater' | 'application';
  /** Sources without their entity; null: not counted. */
  readonly missing: number | null;
  readonly countedAt: string | null;
}

export interface VerificationView {
  readonly migration: string;
  readonly entities: readonly VerifiedEntity[];
  /** The last complete one; null: there was none. */
  readonly last: {
    readonly at: string;
    readonly operationId: string | null;
    readonly checked: number;
    readonly mismatches: number;
    /** Rows that it set right; null: the plan asks for no repair. */
    readonly repaired: number | null;
    readonly tables: readonly VerifiedTable[];
    /** The plan's own queries; one that found anything but 0 keeps the migration from being ready. */
    readonly assertions: readonly {
      readonly name: string;
      readonly found: number | null;
      readonly error: string | null;
    }[];
  } | null;
  /** The one under way; null: none is. */
  readonly running: {
    /** An operation's id, or `after-bridge`. */
    readonly run: string;
    readonly startedAt: string;
    readonly checked: number;
    readonly mismatches: number;
    readonly tables: readonly (VerifiedTable & { readonly done: boolean })[];
  } | null;
  readonly mismatches: readonly MismatchView[];
  /** The `cursor` of the next page of mismatches; null: there is none. */
  readonly nextCursor: string | null;
}

export interface ForecastView {
  readonly migration: string;
  /** Made when the migration was started, before anything was written; false: not started yet, and as of now. */
  readonly kept: boolean;
  readonly takenAt: string;
  readonly notes: readonly string[];
  /** Left out where one table is asked for. */
  readonly entities: readonly EntityForecast[];
  readonly tables: readonly (TableForecast & {
    /** What was filled and listed meanwhile, rows that came later among them. Null: not started yet, or not measured yet. */
    readonly outcome: { readonly filled: number; readonly unfillable: number; readonly nulls: number | null } | null;
  })[];
}

/** One step of a migration as `plan` shows it, before anything is done. */
export interface PlannedStep {
  readonly step: string;
  readonly table: string | null;
  /** Strongest lock on the table; rows only: `ROW`. */
  readonly lock: string;
  /** What the application may notice. */
  readonly effect: string;
  readonly sql: readonly string[];
}
