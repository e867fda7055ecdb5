import type { CutoverFailure, Migration, Phase, TargetState } from './state.js';

/** What `GET /migrations/{id}` shows of the history; progress and readiness are joined to it by whoever measures them. */
export interface MigrationView {
  readonly id: string;
  readonly version: number;
  readonly phase: Phase;
  readonly since: string | null;
  readonly planHash: string | null;
  readonly mode: 'bridge' | 'strict' | null;
  readonly pause: 'running' | 'paused' | 'halted';
  /** Why nothing moves; null while something does. */
  readonly stopped: { readonly reason: string; readonly message: string; readonly clearedBy: string } | null;
  readonly epoch: number;
  readonly stream: 'none' | 'open' | 'broken';
  readonly bridge: { readonly mode: 'assign' | 'observe'; readonly at: string } | null;
  readonly ready: { readonly generation: string } | null;
  readonly targets: readonly TargetState[];
  readonly cutover: {
    readonly attempts: number;
    readonly lastFailure: CutoverFailure | null;
    readonly operationId: string | null;
  };
  readonly approvals: readonly string[];
  readonly outcome: 'finished' | 'rolled-back' | null;
  readonly leftovers: readonly string[];
}

/** The state as an operator reads it. Undefined: no such migration. */
export function migrationView(id: string, state: Migration, version: number): MigrationView | undefined {
  if (state.phase === 'none') return undefined;
  return {
    id,
    version,
    phase: state.phase,
    since: state.phaseSince,
    planHash: state.planHash,
    mode: state.mode,
    pause: state.pause,
    stopped: stopped(state),
    epoch: state.epoch,
    stream: state.stream,
    bridge: state.bridge && { mode: state.bridge.mode, at: state.bridge.at },
    ready: state.readyGeneration === null ? null : { generation: state.readyGeneration },
    targets: state.targets,
    cutover: {
      attempts: state.cutoverAttempts,
      lastFailure: state.cutoverFailure,
      operationId: state.phase === 'cutting-over' ? state.operationId : null,
    },
    approvals: state.approvals.map((approval) => approval.actor),
    outcome: state.phase === 'finished' ? state.outcome : null,
    leftovers: state.phase === 'finished' ? state.leftovers : [],
  };
}

function stopped(state: Exclude<Migration, { phase: 'none' }>): MigrationView['stopped'] {
  if (state.phase === 'finished') return null;
  if (state.pause !== 'running') {
    return {
      reason: state.pause === 'paused' ? 'Paused' : 'Halted',
      message: state.pauseReason ?? '',
      clearedBy: 'resume',
    };
  }
  if (state.phase === 'preflight-failed') {
    const message = state.failures.map((f) => `${f.check}: ${f.message}`).join('; ');
    return { reason: 'PreflightFailed', message, clearedBy: 'preflight' };
  }
  if (state.phase === 'cutting-over' && state.unknown) {
    const message = `whether "${state.unknown.step}" on ${state.unknown.table.table} committed is not known; the catalog is being read`;
    return { reason: 'CutoverOutcomeUnknown', message, clearedBy: 'the control process, when it reaches the database' };
  }
  if (state.stream === 'broken' && state.streamBreak) {
    return {
      reason: 'StreamBroken',
      message: state.streamBreak.message,
      clearedBy: 'a new stream (automatic when onBreak is rebuild)',
    };
  }
  if (state.held) return { reason: 'Held', message: state.held.reason, clearedBy: 'release' };
  return null;
}
