import type { Limits } from '@highwater/plan';

/** Who asked. Until accounts exist: the `Highwater-Actor` header, else the user of the operating system. */
export interface Actor {
  readonly name: string;
  readonly method: 'header' | 'os' | 'service';
}

export interface CommandContext {
  readonly actor: Actor;
  readonly idempotencyKey?: string;
  readonly reason?: string;
}

/** An accepted request and what became of it. */
export interface Operation {
  readonly id: string;
  readonly migrationId: string | null;
  readonly verb: string;
  readonly status: 'accepted' | 'running' | 'succeeded' | 'failed';
  readonly actor: string;
  readonly requestedAt: string;
  readonly finishedAt: string | null;
  readonly result: unknown;
  readonly error: { readonly code: string; readonly message: string; readonly help?: string } | null;
}

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
  /** Exact, by the partial index; null while it is not there. */
  readonly nulls: number | null;
  readonly enforced: boolean;
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
  readonly progress: { readonly percent: number | null; readonly rowsDone: number; readonly rowsExpected: number };
  readonly rowsPerSecond: number;
  /** Milliseconds; null: unknown. */
  readonly eta: { readonly p50Ms: number; readonly p90Ms: number } | null;
  /** Why nothing moves, or what is being done. */
  readonly reason: { readonly code: string; readonly message: string; readonly since: string };
  readonly readyGeneration: string | null;
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
    readonly active: boolean;
    /** From 75% of the limit on: how much, of what, and who keeps it. */
    readonly alarm: string | null;
  } | null;
  readonly ddlSteps: readonly DdlStepView[];
  readonly leftovers: readonly string[];
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
  readonly table: string;
  readonly target: string;
  readonly key: readonly string[];
  readonly reason: string;
  readonly sqlstate: string | null;
  readonly constraint: string | null;
  readonly attempts: number;
  readonly firstSeen: string;
  readonly lastSeen: string;
}

export interface CutoverInput {
  /** The generation the caller saw (`If-Match`). */
  readonly generation: string;
  readonly lockBudgetMs?: number;
  readonly lockAttempts?: number;
}

/**
 * Everything that can be asked of Highwater. Both apps use it, so no door skips a check. Errors are HighwaterError:
 * unknown migration HW6010, not ready HW6011, stale generation HW6012, another attempt HW6013, wrong phase HW6014, which migration HW6015,
 * not evaluated HW6016, idempotency mismatch HW6002.
 */
export interface MigrationControl {
  plan(source: string, context: CommandContext): Promise<Operation>;
  list(): Promise<readonly MigrationSummary[]>;
  get(id: string): Promise<MigrationStatusView>;
  preflight(id: string, context: CommandContext): Promise<Operation>;
  start(id: string, context: CommandContext): Promise<Operation>;
  pause(id: string, context: CommandContext): Promise<Operation>;
  resume(id: string, context: CommandContext): Promise<Operation>;
  halt(id: string, context: CommandContext): Promise<Operation>;
  finish(
    id: string,
    /** `bridgeUnused`: the operator's word that nobody needs the bridge; needed where no stream reports who does. */
    input: { readonly afterMs?: number; readonly purge?: boolean; readonly bridgeUnused?: boolean },
    context: CommandContext,
  ): Promise<Operation>;
  /** Undefined id: the only live migration, else HW6015. */
  readiness(id?: string): Promise<ReadinessView>;
  cutover(id: string | undefined, input: CutoverInput, context: CommandContext): Promise<Operation>;
  operation(id: string): Promise<Operation | undefined>;
  events(id: string, afterVersion: number, limit: number): Promise<readonly StoredEventView[]>;
  unfillable(
    id: string,
    page: { readonly limit: number; readonly offset: number },
  ): Promise<readonly UnfillableRowView[]>;
  setLimits(id: string, limits: Partial<Limits>, context: CommandContext): Promise<Operation>;
}
