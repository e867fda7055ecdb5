import type { Limits, UnfillablePolicy } from '@highwater/plan';
import type {
  MigrationSummary,
  MigrationStatusView,
  ReadinessView,
  RowSecurityReport,
  StoredEventView,
  UnfillableListView,
  UnfillableRowView,
  VerificationView,
  ForecastView,
  PlannedStep,
} from './views.js';

export type * from './views.js';

/** Who asked. Until accounts exist: the `Highwater-Actor` header, else the user of the operating system. */
export interface Actor {
  readonly name: string;
  readonly method: 'header' | 'os' | 'service';
}

export interface CommandContext {
  readonly actor: Actor;
  readonly idempotencyKey?: string;
  readonly reason?: string;
  /** Asked in this very process by whoever started it (`highwater run`), not through the API: queries of a plan are taken from nobody else. */
  readonly ownProcess?: true;
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

export interface TableFilter {
  /** As the plan or the catalog names it, with or without schema. */
  readonly table?: string | undefined;
}

/** Open entries to look at or to retry; an absent name means all. */
export interface UnfillableFilter extends TableFilter {
  readonly reason?: string | undefined;
}

/** Of the open entries only those that the plan holds, or leaves NULL. */
export interface UnfillableListFilter extends UnfillableFilter {
  readonly policy?: UnfillablePolicy | undefined;
}

export interface LockLimits {
  readonly lockBudgetMs?: number;
  readonly lockAttempts?: number;
}

export interface Page {
  readonly limit: number;
  /** `nextCursor` of the page before, which costs the same wherever the page is; absent: the first. */
  readonly cursor?: string | undefined;
  /** Rows left out from there on; each of them is read. */
  readonly offset?: number | undefined;
}

export interface CutoverInput extends LockLimits {
  /** The generation the caller saw (`If-Match`). */
  readonly generation: string;
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
    /**
     * `bridgeUnused`: the operator's word that nobody needs the bridge; needed where no stream reports who does. Of several that were asked for the
     * last word on it, or on `afterMs`, counts; one without either takes none back.
     */
    input: {
      readonly afterMs?: number;
      readonly bridgeUnused?: boolean;
      readonly withoutRowSecurity?: boolean;
    },
    context: CommandContext,
  ): Promise<Operation>;
  /** Undefined id: the only live migration, else HW6015. */
  readiness(id?: string): Promise<ReadinessView>;
  cutover(id: string | undefined, input: CutoverInput, context: CommandContext): Promise<Operation>;
  operation(id: string): Promise<Operation | undefined>;
  events(id: string, afterVersion: number, limit: number): Promise<readonly StoredEventView[]>;
  /** By table and key, as `unfillablePages`. */
  unfillable(id: string, page: Page & UnfillableListFilter): Promise<UnfillableListView>;
  /** All of them, a page at a time, by table and key; unknown migration or table is told before the first. */
  unfillablePages(id: string, filter: UnfillableListFilter): Promise<AsyncIterable<readonly UnfillableRowView[]>>;
  /** Derives and writes the listed rows again; entries that got filled are closed. */
  retryUnfillable(id: string, filter: UnfillableFilter, context: CommandContext): Promise<Operation>;
  /** Compares every stored value with what its rule gives now. */
  verify(id: string, context: CommandContext): Promise<Operation>;
  verification(id: string, page: Page & TableFilter): Promise<VerificationView>;
  /** What becomes of every row: foreseen at the start beside what became of it; before the start as of now. */
  forecast(id: string, filter: TableFilter): Promise<ForecastView>;
  hold(id: string, context: CommandContext): Promise<Operation>;
  release(id: string, context: CommandContext): Promise<Operation>;
  /** `rowSecurity`: of row level security, which follows enforcement; without it of the cutover. */
  approve(id: string, context: CommandContext, input?: { readonly rowSecurity?: boolean }): Promise<Operation>;
  /** What each tenant would see under the plan's row level security, and whom it restricts. Reads only. */
  rowSecurity(id: string): Promise<readonly RowSecurityReport[]>;
  /** Drops NOT NULL again and keeps the bridge. */
  unenforce(id: string, input: LockLimits, context: CommandContext): Promise<Operation>;
  /** Takes back what the migration made and, with a journal, what it wrote; nothing else. */
  rollback(id: string, input: LockLimits, context: CommandContext): Promise<Operation>;
  /** What `rollback` would do now, with statements and counts. */
  rollbackSteps(id: string): Promise<readonly PlannedStep[]>;
  /** Every step with its SQL and its lock, as the catalog is now. */
  steps(id: string): Promise<readonly PlannedStep[]>;
  setLimits(id: string, limits: Partial<Limits>, context: CommandContext): Promise<Operation>;
}
