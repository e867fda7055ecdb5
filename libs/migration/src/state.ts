import type { Blocker, EventData, LimitValues, TargetName } from './events.js';

/**
 * The phases of a migration, and what moves between them (durable: only the event log; a crash at any arrow replays to the state before
 * the arrow, and the control process looks at the server before it acts again):
 *
 *   none ─Planned→ planned ─PreflightPassed→ preflighted ─Expanded→ expanded ─StreamOpened→ streaming ─SweepStarted→ sweeping
 *            └PreflightFailed→ preflight-failed ┘                        └──SweepStarted (plan without a stream)──┘
 *   sweeping ─SweepCompleted→ swept ─Bridged→ bridged ─CutoverBegan→ cutting-over ─CutoverCompleted→ enforced ─Finished→ finished
 *                                                  ↖──CutoverFailed, Unenforced──┘
 *   StreamBroken changes no phase; the StreamOpened after it goes back to streaming (an installed bridge stays installed), so that a new
 *   NULL-only sweep follows. Once enforced there is nothing left to sweep: the phase stays.
 *   RolledBack → finished, from every phase but cutting-over; after Finished too, once.
 */
export const phases = [
  'none',
  'planned',
  'preflighted',
  'preflight-failed',
  'expanded',
  'streaming',
  'sweeping',
  'swept',
  'bridged',
  'cutting-over',
  'enforced',
  'finished',
] as const;
export type Phase = (typeof phases)[number];

/** Past preflight for good, and not over: there is work of the migration's in the database. */
export const begunPhases: readonly Phase[] = phases.slice(phases.indexOf('expanded'), phases.indexOf('finished'));

export type Enforcement = 'open' | 'guarded' | 'enforced';
/** Where one target stands. `notNull: false` targets are filled, never enforced. */
export interface TargetState extends TargetName {
  readonly notNull: boolean;
  readonly enforcement: Enforcement;
}

export interface CutoverFailure {
  readonly at: string;
  /** Who asked for the attempt. */
  readonly operationId: string | null;
  readonly attempt: number;
  readonly table: TargetName | null;
  readonly blocker: Blocker | null;
  readonly code: string;
  readonly message: string;
}

export interface LastVerification extends EventData<'VerificationCompleted'> {
  readonly at: string;
  readonly operationId: string | null;
  /** Recorded after the bridge was (by order of events, not by clock). */
  readonly afterBridge: boolean;
}

/** What every phase after `none` knows. */
export interface MigrationBase {
  readonly phaseSince: string;
  readonly planHash: string;
  readonly planSource: string;
  readonly short: string;
  readonly mode: 'bridge' | 'strict';
  readonly streamPlanned: boolean;
  readonly cutoverStart: 'manual' | 'auto';
  readonly windowMs: number;
  readonly approvalsRequired: number;
  readonly targets: readonly TargetState[];
  readonly limits: LimitValues;
  readonly preflight: EventData<'PreflightPassed'> | null;
  readonly addedColumns: readonly TargetName[];
  readonly pause: 'running' | 'paused' | 'halted';
  readonly pauseReason: string | null;
  /** 0 until the first stream; a plan without a stream has epoch 1 from its sweep on. */
  readonly epoch: number;
  readonly stream: 'none' | 'open' | 'broken';
  /** The latest stream's objects, broken or not. */
  readonly streamFacts: EventData<'StreamOpened'> | null;
  /** When it was opened: what was emitted between a break and this was read by nobody. */
  readonly streamSince: string | null;
  readonly streamBreak: { readonly at: string; readonly reason: string; readonly message: string } | null;
  readonly sweep: EventData<'SweepStarted'> | null;
  readonly sweepResult: EventData<'SweepCompleted'> | null;
  readonly bridge: EventData<'Bridged'> | null;
  readonly verification: LastVerification | null;
  readonly fence: EventData<'FenceReached'> | null;
  /** Generation at which it last became ready; null while it is not. */
  readonly readyGeneration: string | null;
  readonly held: { readonly at: string; readonly actor: string; readonly reason: string } | null;
  readonly approvals: readonly { readonly at: string; readonly actor: string; readonly reason: string }[];
  /** Of row level security, which is switched on after enforcement by an approval of its own. */
  readonly rowSecurityApprovals: MigrationBase['approvals'];
  readonly cutoverAttempts: number;
  readonly cutoverFailure: CutoverFailure | null;
}

type In<P extends Phase, Fields = unknown> = MigrationBase & { readonly phase: P } & Readonly<Fields>;

/** One migration, folded from its events. */
export type Migration =
  | { readonly phase: 'none' }
  | In<'planned' | 'preflighted' | 'expanded' | 'streaming' | 'sweeping' | 'swept' | 'bridged' | 'enforced'>
  | In<'preflight-failed', { failures: EventData<'PreflightFailed'>['failures'] }>
  | In<
      'cutting-over',
      {
        attempt: number;
        operationId: string;
        generation: string;
        /** Set while nobody knows whether a step committed: only a reconciliation may follow. */
        unknown: { table: TargetName; step: string } | null;
      }
    >
  | In<
      'finished',
      {
        outcome: 'finished' | 'rolled-back';
        leftovers: readonly string[];
        /** Of a rollback: what it took back, and what stays and why; in words. */
        undone: readonly string[];
        kept: readonly string[];
      }
    >;

export type LiveMigration = Exclude<Migration, { phase: 'none' }>;

export const nothing: Migration = { phase: 'none' };

export const sameTarget = (a: TargetName, b: TargetName): boolean => a.table === b.table && a.target === b.target;
