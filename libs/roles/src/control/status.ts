import { formatStatusLine, type MigrationStatus, type RateWindow, estimateEta, percentDone } from '@highwater/sweep';
import type { FenceSeen, LiveMigration, RetentionRate, SlotSeen } from '@highwater/migration';
import type { BackupReference, BridgeUse, RecordedDdlStep, SeenWorker, TargetProgress } from '@highwater/target-db';
import { entityStatus, type EntitiesSeen } from './entity-status.js';
import type { NullCounts } from './null-counts.js';
import { slotStatus } from './observe-stream.js';
import type { CutoverStatus, HintTally, MigrationStatusView, TableStatus } from './port.js';
import type { ProcessState } from './process-state.js';

export interface StatusInput {
  readonly process: ProcessState;
  readonly state: LiveMigration;
  readonly progress: readonly TargetProgress[];
  readonly entities: EntitiesSeen;
  readonly nulls: NullCounts;
  readonly uses: readonly BridgeUse[];
  readonly ddlSteps: readonly RecordedDdlStep[];
  readonly slot: SlotSeen | null;
  /** How what it retains grows. */
  readonly retention: RetentionRate;
  readonly fence: FenceSeen | null;
  readonly workers: readonly SeenWorker[];
  readonly backup?: BackupReference | undefined;
  readonly resumedFrom: MigrationStatusView['resumedFrom'];
  readonly rowSecurity: MigrationStatusView['rowSecurity'];
  readonly rate: RateWindow;
  readonly now: Date;
  /** How long the oldest fence that has not come back has been under way; null: the newest one came back, or there is none. */
  readonly fenceWaitMs: number | null;
}

/** What the log has decided, as opposed to what was measured: never older than the log. */
export const decided = (state: LiveMigration) => ({
  phase: state.phase,
  phaseSince: state.phaseSince,
  pause: state.pause,
  leftovers: state.phase === 'finished' ? state.leftovers : [],
  outcome: state.phase === 'finished' ? state.outcome : null,
  undone: state.phase === 'finished' ? state.undone : [],
  kept: state.phase === 'finished' ? state.kept : [],
});

/** What GET /migrations/{id} shows, from what was measured in one round. Pure. */
export function statusView(input: StatusInput): MigrationStatusView {
  const { process, state, progress, nulls, now } = input;
  const of = (targetNo: number): TargetProgress | undefined => progress.find((one) => one.targetNo === targetNo);
  const count = (counts: Readonly<Record<string, number>> | undefined): number =>
    Object.values(counts ?? {}).reduce((a, b) => a + b, 0);
  const tables = state.targets.map((target, targetNo): TableStatus => ({
    table: target.table,
    target: target.target,
    filled: of(targetNo)?.filled ?? { sweep: 0, live: 0, tailPass: 0 },
    unfillable: count(of(targetNo)?.unfillable),
    nulls: nulls.byTarget[targetNo] ?? null,
    enforced: target.enforcement === 'enforced',
  }));
  const rowsDone = progress.reduce((sum, one) => sum + one.rowsScanned, 0);
  const rowsExpected = progress.reduce((sum, one) => sum + one.rowsEstimated, 0);
  const complete = state.sweepResult !== null;
  const eta = complete ? ({ kind: 'due' } as const) : estimateEta(input.rate.samples, rowsExpected);
  const live = tables.reduce((sum, one) => sum + one.filled.live, 0);
  const sweepers = input.workers.filter((worker) => worker.role === 'sweeper');
  const chunkRows = sweepers.reduce<number | null>((most, one) => larger(most, one.chunkRows), null);
  const throttled = state.pause === 'running' ? throttledOf(sweepers) : null;
  const lag = lagOf(input);
  const slot = input.slot && slotStatus(input.slot, input.retention);
  const reason = reasonOf(input, throttled);
  const line: MigrationStatus = {
    phase: state.phase,
    rowsDone,
    rowsExpected,
    complete,
    nulls: nulls.total,
    liveFilled: live,
    lag: lag && { bytes: BigInt(lag.bytes), seconds: lag.seconds },
    sweep: state.phase === 'sweeping' ? { rowsPerSecond: input.rate.rowsPerSecond(), chunkRows } : null,
    slot: slot && {
      retainedBytes: BigInt(slot.retainedBytes),
      limitBytes: BigInt(slot.limitBytes),
      percent: slot.percent,
      lostInMs: slot.lostInMs,
    },
    unfillable: tables.reduce((sum, one) => sum + one.unfillable, 0),
    reason: { ...reason, sinceMs: now.getTime() - Date.parse(reason.since) },
    state:
      state.pause !== 'running'
        ? state.pause
        : state.phase === 'finished'
          ? 'done'
          : process.blocked
            ? 'blocked'
            : throttled
              ? 'throttled'
              : 'running',
    eta,
  };
  return {
    id: process.id,
    ...decided(state),
    epoch: state.epoch,
    stream: state.stream,
    planHash: state.planHash,
    mode: state.mode,
    tables,
    entities: entityStatus(process, input.entities),
    progress: { percent: percentDone(rowsDone, rowsExpected, complete) ?? null, rowsDone, rowsExpected },
    rowsPerSecond: Math.round(input.rate.rowsPerSecond()),
    eta: eta.kind === 'range' ? { p50Ms: eta.p50Ms, p90Ms: eta.p90Ms } : null,
    reason,
    readyGeneration: state.readyGeneration,
    lag,
    fence: input.fence && {
      token: input.fence.token,
      writtenAt: input.fence.writtenAt,
      partitions: input.fence.partitions,
      reached: input.fence.reached,
      roundTripMs: input.fence.roundTripMs ?? null,
    },
    throttled,
    chunkRows,
    workers: input.workers,
    cutover: cutoverOf(state),
    rowSecurity: input.rowSecurity,
    limits: { ...state.limits },
    resumedFrom: input.resumedFrom,
    hints: hintsOf(progress, live),
    bridge: input.uses.map((use) => ({
      applicationName: use.applicationName,
      outcome: use.outcome,
      statements: use.statements.toString(),
      lastAt: use.lastAt,
    })),
    slot,
    ddlSteps: input.ddlSteps.map((step) => ({
      table: step.targetNo === null ? null : (state.targets[step.targetNo]?.table ?? null),
      step: step.step,
      lockMode: step.lockMode,
      attempts: step.attempts,
      lockWaitMs: step.lockWaitMs,
      heldMs: step.heldMs,
      at: step.at,
    })),
    backup: input.backup ?? null,
    statusLine: formatStatusLine(line),
    evaluatedAt: now.toISOString(),
  };
}

/** Once it is over: what was measured last was measured before its end, and what it did then is no longer the news. */
export function atEnd(view: MigrationStatusView): MigrationStatusView {
  const what =
    view.outcome === 'rolled-back' ? 'everything of ours was taken back' : 'nothing of ours is left on the tables';
  const message =
    view.leftovers.length === 0 ? what : `${view.leftovers.length} objects of ours are left; highwater doctor`;
  const reason = { code: 'Finished', message, since: view.phaseSince };
  const counted = view.tables.map((one) => one.nulls).filter((count) => count !== null);
  const { rowsDone, rowsExpected } = view.progress;
  return {
    ...view,
    reason,
    throttled: null,
    eta: null,
    rowsPerSecond: 0,
    statusLine: formatStatusLine({
      phase: view.phase,
      rowsDone,
      rowsExpected,
      complete: true,
      nulls: counted.length === view.tables.length ? counted.reduce((sum, one) => sum + one, 0) : null,
      liveFilled: view.tables.reduce((sum, one) => sum + one.filled.live, 0),
      lag: null,
      sweep: null,
      slot: null,
      unfillable: view.tables.reduce((sum, one) => sum + one.unfillable, 0),
      reason: { ...reason, sinceMs: Date.now() - Date.parse(reason.since) },
      state: 'done',
      eta: { kind: 'due' },
    }),
  };
}

const larger = (a: number | null, b: number | null): number | null => (a === null ? b : Math.max(a, b ?? 0));

/** One sweeper that runs is enough for the sweep to go on at its pace. */
function throttledOf(sweepers: readonly SeenWorker[]): MigrationStatusView['throttled'] {
  const [held] = sweepers.filter((one) => one.state === 'throttled');
  if (!held || sweepers.some((one) => one.state === 'running')) return null;
  return { reason: held.reason, message: held.message, since: held.since };
}

/** What is being done; while the sweep is slowed down that is the news. */
function reasonOf(
  { process }: StatusInput,
  throttled: MigrationStatusView['throttled'],
): MigrationStatusView['reason'] {
  const { code, message, since } = process.doing;
  if (throttled && !process.blocked)
    return { code: throttled.reason, message: throttled.message, since: throttled.since };
  return { code, message, since: since.toISOString() };
}

/** WAL that is not acknowledged, and what the fence says about time; never what the slot retains, which an open transaction alone may cause. */
function lagOf({ state, slot, fence, fenceWaitMs }: StatusInput): MigrationStatusView['lag'] {
  if (state.stream !== 'open') return null;
  const ms = fenceWaitMs ?? fence?.roundTripMs ?? null;
  return { bytes: slot?.behindBytes ?? 0, seconds: ms === null ? null : ms / 1_000 };
}

function cutoverOf(state: LiveMigration): CutoverStatus {
  const failure = state.cutoverFailure;
  return {
    start: state.cutoverStart,
    attempts: state.cutoverAttempts,
    held: state.held,
    approvals: { given: state.approvals.map((one) => one.actor), required: state.approvalsRequired },
    lastFailure: failure && {
      at: failure.at,
      attempt: failure.attempt,
      table: failure.table?.table ?? null,
      code: failure.code,
      message: failure.message,
    },
  };
}

/** Where a process that takes over finds a migration; null when nothing was done yet. */
export function resumedAt(
  state: LiveMigration,
  progress: readonly TargetProgress[],
  now: Date,
): MigrationStatusView['resumedFrom'] {
  const done = progress.reduce((sum, one) => sum + one.rowsScanned, 0);
  const ranges = progress.reduce((sum, one) => sum + one.doneRanges, 0);
  const begun = !['planned', 'preflighted', 'preflight-failed'].includes(state.phase);
  if (!begun) return null;
  const position = done > 0 ? `${state.phase}: ${done} rows and ${ranges} ranges swept` : state.phase;
  return { position, at: now.toISOString() };
}

function hintsOf(progress: readonly TargetProgress[], filled: number): HintTally {
  const sum = (name: keyof TargetProgress['hints']): number =>
    progress.reduce((total, one) => total + one.hints[name], 0);
  return {
    filled,
    already: sum('already'),
    gone: sum('gone'),
    unfillable: sum('unfillable'),
    contended: sum('contended'),
    parked: sum('parked'),
    deadLetter: sum('dead_letter'),
  };
}
