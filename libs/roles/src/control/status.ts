import { formatStatusLine, type MigrationStatus, type RateWindow, estimateEta, percentDone } from '@highwater/sweep';
import type { LiveMigration } from '@highwater/migration';
import type { BridgeUse, RecordedDdlStep, TargetProgress } from '@highwater/target-db';
import type { NullCounts } from './null-counts.js';
import type { HintTally, MigrationStatusView, TableStatus } from './port.js';
import type { ProcessState } from './process-state.js';

export interface StatusInput {
  readonly process: ProcessState;
  readonly state: LiveMigration;
  readonly progress: readonly TargetProgress[];
  readonly nulls: NullCounts;
  readonly uses: readonly BridgeUse[];
  readonly ddlSteps: readonly RecordedDdlStep[];
  readonly slot: MigrationStatusView['slot'];
  readonly fenceRoundTripMs: number | null;
  readonly rate: RateWindow;
  readonly now: Date;
}

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
  const line: MigrationStatus = {
    phase: state.phase,
    rowsDone,
    rowsExpected,
    complete,
    nulls: nulls.indexed ? nulls.total : null,
    liveFilled: live,
    lag:
      state.stream === 'open'
        ? { bytes: BigInt(input.slot?.retainedBytes ?? 0), seconds: (input.fenceRoundTripMs ?? 0) / 1000 }
        : null,
    sweep:
      state.phase === 'sweeping'
        ? { rowsPerSecond: input.rate.rowsPerSecond(), chunkRows: state.limits.chunkRowsMax }
        : null,
    slot: input.slot && { retainedBytes: BigInt(input.slot.retainedBytes), limitBytes: BigInt(input.slot.limitBytes) },
    unfillable: tables.reduce((sum, one) => sum + one.unfillable, 0),
    reason: {
      code: process.doing.code,
      message: process.doing.message,
      sinceMs: now.getTime() - process.doing.since.getTime(),
    },
    state:
      state.pause !== 'running'
        ? state.pause
        : state.phase === 'finished'
          ? 'done'
          : process.blocked
            ? 'blocked'
            : 'running',
    eta,
  };
  return {
    id: process.id,
    phase: state.phase,
    phaseSince: state.phaseSince,
    pause: state.pause,
    epoch: state.epoch,
    stream: state.stream,
    planHash: state.planHash,
    mode: state.mode,
    tables,
    progress: { percent: percentDone(rowsDone, rowsExpected, complete) ?? null, rowsDone, rowsExpected },
    rowsPerSecond: Math.round(input.rate.rowsPerSecond()),
    eta: eta.kind === 'range' ? { p50Ms: eta.p50Ms, p90Ms: eta.p90Ms } : null,
    reason: { code: process.doing.code, message: process.doing.message, since: process.doing.since.toISOString() },
    readyGeneration: state.readyGeneration,
    hints: hintsOf(progress, live),
    bridge: input.uses.map((use) => ({
      applicationName: use.applicationName,
      outcome: use.outcome,
      statements: use.statements.toString(),
      lastAt: use.lastAt,
    })),
    slot: input.slot,
    ddlSteps: input.ddlSteps.map((step) => ({
      table: step.targetNo === null ? null : (state.targets[step.targetNo]?.table ?? null),
      step: step.step,
      lockMode: step.lockMode,
      attempts: step.attempts,
      lockWaitMs: step.lockWaitMs,
      heldMs: step.heldMs,
      at: step.at,
    })),
    leftovers: state.phase === 'finished' ? state.leftovers : [],
    statusLine: formatStatusLine(line),
    evaluatedAt: now.toISOString(),
  };
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
