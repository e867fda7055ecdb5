import { assertNever, HighwaterError } from '@highwater/kernel';
import { impossibleHistory } from './codes.js';
import type { EventOf, MigrationEvent, TargetName } from './events.js';
import type { Enforcement, LiveMigration, Migration, MigrationBase, Phase, TargetState } from './state.js';
import { nothing, sameTarget } from './state.js';

type PlainPhase = Exclude<Phase, 'none' | 'preflight-failed' | 'cutting-over' | 'finished'>;

/** Drops what only one phase carries, so that a phase never inherits another's fields. */
function baseOf(state: LiveMigration): MigrationBase {
  const {
    phase: _phase,
    failures: _f,
    attempt: _a,
    operationId: _o,
    generation: _g,
    unknown: _u,
    outcome: _c,
    leftovers: _l,
    undone: _n,
    kept: _k,
    ...base
  } = state as LiveMigration &
    Record<
      'failures' | 'attempt' | 'operationId' | 'generation' | 'unknown' | 'outcome' | 'leftovers' | 'undone' | 'kept',
      unknown
    >;
  return base;
}

const enter = (
  state: LiveMigration,
  phase: PlainPhase,
  at: string,
  change: Partial<MigrationBase> = {},
): Migration => ({
  ...baseOf(state),
  ...change,
  phase,
  phaseSince: phase === state.phase ? state.phaseSince : at,
});

const mark = (
  targets: readonly TargetState[],
  which: readonly TargetName[],
  enforcement: Enforcement,
): readonly TargetState[] =>
  targets.map((target) => (which.some((one) => sameTarget(one, target)) ? { ...target, enforcement } : target));

function planned({ at, data }: EventOf<'Planned'>): Migration {
  return {
    phase: 'planned',
    phaseSince: at,
    planHash: data.planHash,
    planSource: data.planSource,
    short: data.short,
    mode: data.mode,
    streamPlanned: data.stream,
    cutoverStart: data.cutoverStart,
    windowMs: data.windowMs,
    approvalsRequired: data.approvals,
    targets: data.tables.map((table) => ({ ...table, enforcement: 'open' as const })),
    limits: data.limits,
    preflight: null,
    addedColumns: [],
    pause: 'running',
    pauseReason: null,
    epoch: 0,
    stream: 'none',
    streamFacts: null,
    streamSince: null,
    streamBreak: null,
    sweep: null,
    sweepResult: null,
    bridge: null,
    verification: null,
    fence: null,
    readyGeneration: null,
    held: null,
    approvals: [],
    rowSecurityApprovals: [],
    cutoverAttempts: 0,
    cutoverFailure: null,
  };
}

/**
 * What the catalog was found to say, as a target's enforcement. Found enforced still waits for its `Enforced` event, which is stored
 * exactly once, whichever way the control process learned of it.
 */
const foundAs = { open: 'open', guarded: 'guarded', validated: 'guarded', enforced: 'guarded' } as const;

/** The next state. Total over events; throws HW6102 when the history itself is impossible. */
export function evolve(state: Migration, event: MigrationEvent): Migration {
  if (event.type === 'Planned') {
    if (state.phase !== 'none') throw impossible(state, event);
    return planned(event);
  }
  if (state.phase === 'none') throw impossible(state, event);
  const { at, data } = event;
  const { actor } = event.metadata;
  switch (event.type) {
    case 'PreflightPassed':
      return enter(state, 'preflighted', at, { preflight: event.data });
    case 'PreflightFailed':
      return {
        ...baseOf(state),
        preflight: null,
        phase: 'preflight-failed',
        phaseSince: at,
        failures: event.data.failures,
      };
    case 'Expanded':
      return enter(state, 'expanded', at, { addedColumns: event.data.columns });
    case 'StreamOpened': {
      const change = {
        epoch: event.data.epoch,
        stream: 'open',
        streamFacts: event.data,
        streamSince: at,
        streamBreak: null,
        fence: null,
      } as const;
      if (state.phase === 'enforced') return enter(state, 'enforced', at, change);
      return enter(state, 'streaming', at, { ...change, sweep: null, sweepResult: null });
    }
    case 'StreamBroken':
      return {
        ...state,
        stream: 'broken',
        streamBreak: { at, reason: event.data.reason, message: event.data.message },
        fence: null,
      };
    case 'SweepStarted':
      return enter(state, 'sweeping', at, { epoch: event.data.epoch, sweep: event.data, sweepResult: null });
    case 'SweepCompleted':
      return enter(state, state.bridge ? 'bridged' : 'swept', at, { sweepResult: event.data });
    case 'Bridged':
      return enter(state, 'bridged', at, { bridge: event.data });
    case 'Paused':
      return { ...state, pause: 'paused', pauseReason: event.data.reason };
    case 'Halted':
      return { ...state, pause: 'halted', pauseReason: event.data.reason };
    case 'Resumed':
      return { ...state, pause: 'running', pauseReason: null };
    case 'LimitsChanged':
      return { ...state, limits: event.data.limits };
    case 'VerificationCompleted': {
      const operationId = event.metadata.operationId ?? null;
      return { ...state, verification: { ...event.data, at, operationId, afterBridge: state.bridge !== null } };
    }
    case 'BecameReady':
      return { ...state, readyGeneration: event.data.generation };
    case 'CeasedReady':
      return { ...state, readyGeneration: null };
    case 'Held':
      return { ...state, held: { at, actor, reason: event.data.reason } };
    case 'Released':
      return { ...state, held: null };
    case 'Approved':
      return approved(state, event, { at, actor, reason: event.data.reason });
    case 'FenceReached':
      return { ...state, fence: event.data };
    case 'CutoverBegan': {
      const { attempt, operationId, generation } = event.data;
      const base = { ...baseOf(state), cutoverAttempts: attempt, readyGeneration: null };
      return { ...base, phase: 'cutting-over', phaseSince: at, attempt, operationId, generation, unknown: null };
    }
    case 'Guarded':
      return { ...state, targets: mark(state.targets, [event.data], 'guarded') };
    case 'Enforced':
      return { ...state, targets: mark(state.targets, [event.data], 'enforced') };
    case 'CutoverFailed':
      return enter(state, 'bridged', at, {
        cutoverFailure: { at, operationId: state.phase === 'cutting-over' ? state.operationId : null, ...event.data },
        // Atomic per table: what was not enforced has no constraint of ours in force after the attempt.
        targets: state.targets.map((t) => (t.enforcement === 'guarded' ? { ...t, enforcement: 'open' as const } : t)),
      });
    case 'CutoverOutcomeUnknown':
      if (state.phase !== 'cutting-over') throw impossible(state, event);
      return { ...state, unknown: { table: event.data.table, step: event.data.step } };
    case 'CutoverReconciled':
      if (state.phase !== 'cutting-over') throw impossible(state, event);
      return { ...state, unknown: null, targets: mark(state.targets, [event.data.table], foundAs[event.data.found]) };
    case 'CutoverCompleted':
      return enter(state, 'enforced', at, { cutoverFailure: null });
    case 'Unenforced':
      return enter(state, 'bridged', at, { targets: mark(state.targets, event.data.tables, 'open') });
    case 'RolledBack':
      return end(state, at, { outcome: 'rolled-back', ...event.data, kept: event.data.kept ?? [] });
    case 'Finished':
      return end(state, at, { outcome: 'finished', ...event.data, undone: [], kept: [] });
    default:
      void data;
      return assertNever(event);
  }
}

const approved = (
  state: LiveMigration,
  { data }: EventOf<'Approved'>,
  approval: MigrationBase['approvals'][number],
): Migration =>
  data.of === 'rowSecurity'
    ? { ...state, rowSecurityApprovals: [...state.rowSecurityApprovals, approval] }
    : { ...state, approvals: [...state.approvals, approval] };

interface Ending {
  readonly outcome: 'finished' | 'rolled-back';
  readonly leftovers: readonly string[];
  readonly undone: readonly string[];
  readonly kept: readonly string[];
}

const end = (state: LiveMigration, at: string, { outcome, leftovers, undone, kept }: Ending): Migration => ({
  ...baseOf(state),
  stream: 'none',
  readyGeneration: null,
  phase: 'finished',
  phaseSince: at,
  outcome,
  leftovers,
  undone,
  kept,
});

const impossible = (state: Migration, event: MigrationEvent): HighwaterError =>
  new HighwaterError(
    impossibleHistory,
    'never',
    `event ${event.type} cannot follow in phase "${state.phase}"; the history of this migration was changed or mixed`,
    { phase: state.phase, type: event.type },
    'stop the service and compare table highwater.event with the published events',
  );

/** Replay: equals the state that was decided on (G7). */
export const fold = (events: Iterable<MigrationEvent>, from: Migration = nothing): Migration => {
  let state = from;
  for (const event of events) state = evolve(state, event);
  return state;
};
