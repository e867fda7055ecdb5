import { refuse } from '@highwater/kernel';
import type { CommandOf } from './commands.js';
import type { Decision } from './decision.js';
import { already, and, isIn, targetOf, wrongPhase, yields } from './decision.js';
import type { TargetName } from './events.js';
import type { LiveMigration, TargetState } from './state.js';
import { sameTarget } from './state.js';

const find = (state: LiveMigration, name: TargetName): TargetState | undefined =>
  state.targets.find((t) => sameTarget(t, name));
const openTargets = (state: LiveMigration): readonly TargetState[] =>
  state.targets.filter((t) => t.notNull && t.enforcement !== 'enforced');

export function cutOver(command: CommandOf<'CutOver'>, state: LiveMigration): Decision {
  const { operationId, expectedGeneration, generation, conditions, reason } = command.data;
  if (state.phase === 'enforced') return already;
  if (state.phase === 'cutting-over') {
    return state.operationId === operationId ? already : refuse('AttemptRunning', { operationId: state.operationId });
  }
  if (state.phase === 'finished') return wrongPhase(state);
  // one request is one attempt: whoever asked was told, or will be, how theirs ended, and may have gone home
  if (state.cutoverFailure?.operationId === operationId)
    return refuse('AttemptOver', { attempt: state.cutoverFailure.attempt });
  if (state.pause !== 'running') return refuse('Paused', { pause: state.pause });
  if (state.held) return refuse('Held', { actor: state.held.actor, since: state.held.at });
  if (state.phase !== 'bridged') return refuse('NotReady', { phase: state.phase });
  if (expectedGeneration !== generation) return refuse('Stale', { expected: expectedGeneration, found: generation });
  // Unknown is not ready, and neither is an evaluation that looked at nothing.
  const unmet = conditions.filter((c) => c.status !== 'True');
  if (unmet.length > 0 || conditions.length === 0) return refuse('NotReady', { unmet: unmet.map((c) => c.type) });
  return yields('CutoverBegan', { attempt: state.cutoverAttempts + 1, operationId, generation, reason }, command);
}

/** Of which attempt a report is: an older one is a repetition, a newer one cannot be. */
function ofAttempt(attempt: number, state: LiveMigration): Decision | 'current' {
  if (attempt > state.cutoverAttempts) return refuse('Stale', { expected: state.cutoverAttempts, found: attempt });
  if (attempt < state.cutoverAttempts) return already;
  return 'current';
}

const early = (state: LiveMigration): boolean => !isIn(state, 'bridged', 'cutting-over', 'enforced');

export function progressed(
  command: CommandOf<'RecordGuarded'> | CommandOf<'RecordEnforced'>,
  state: LiveMigration,
): Decision {
  if (early(state)) return wrongPhase(state);
  const target = find(state, command.data);
  if (!target?.notNull) return refuse('UnknownTarget', { ...targetOf(command.data) });
  const which = ofAttempt(command.data.attempt, state);
  if (which !== 'current') return which;
  if (target.enforcement === 'enforced') return already;
  if (command.type === 'RecordGuarded' && target.enforcement === 'guarded') return already;
  if (state.phase !== 'cutting-over') return wrongPhase(state);
  if (state.unknown) return refuse('OutcomeUnknown', { ...state.unknown.table, step: state.unknown.step });
  if (command.type === 'RecordGuarded') return yields('Guarded', command.data, command);
  return yields('Enforced', command.data, command);
}

export function failed(command: CommandOf<'FailCutover'>, state: LiveMigration): Decision {
  if (early(state)) return wrongPhase(state);
  const which = ofAttempt(command.data.attempt, state);
  if (which !== 'current') return which;
  if (state.phase === 'enforced') return wrongPhase(state);
  if (state.phase !== 'cutting-over') return already;
  // "Failed" would claim that nothing of ours is in force, and nobody has looked yet.
  if (state.unknown) return refuse('OutcomeUnknown', { ...state.unknown.table, step: state.unknown.step });
  return yields('CutoverFailed', command.data, command);
}

export function outcomeUnknown(command: CommandOf<'RecordCutoverOutcomeUnknown'>, state: LiveMigration): Decision {
  if (early(state)) return wrongPhase(state);
  if (!find(state, command.data.table)?.notNull) return refuse('UnknownTarget', { ...command.data.table });
  const which = ofAttempt(command.data.attempt, state);
  if (which !== 'current') return which;
  if (state.phase !== 'cutting-over') return already;
  if (state.unknown) {
    const same = sameTarget(state.unknown.table, command.data.table) && state.unknown.step === command.data.step;
    return same ? already : refuse('OutcomeUnknown', { ...state.unknown.table, step: state.unknown.step });
  }
  return yields('CutoverOutcomeUnknown', command.data, command);
}

export function reconciled(command: CommandOf<'ReconcileCutover'>, state: LiveMigration): Decision {
  if (early(state)) return wrongPhase(state);
  const which = ofAttempt(command.data.attempt, state);
  if (which !== 'current') return which;
  if (state.phase !== 'cutting-over' || !state.unknown) return already;
  if (!sameTarget(state.unknown.table, command.data.table)) return refuse('OutcomeUnknown', { ...state.unknown.table });
  return yields('CutoverReconciled', command.data, command);
}

export function completed(command: CommandOf<'CompleteCutover'>, state: LiveMigration): Decision {
  if (early(state)) return wrongPhase(state);
  const which = ofAttempt(command.data.attempt, state);
  if (which !== 'current') return which;
  if (state.phase === 'enforced') return already;
  if (state.phase !== 'cutting-over') return wrongPhase(state);
  if (state.unknown) return refuse('OutcomeUnknown', { ...state.unknown.table, step: state.unknown.step });
  const open = openTargets(state);
  if (open.length > 0) return refuse('NotEnforced', { tables: open.map((t) => t.table) });
  const tables = state.targets.filter((t) => t.notNull).map(targetOf);
  return yields('CutoverCompleted', { attempt: command.data.attempt, tables }, command);
}

export function unenforced(command: CommandOf<'RecordUnenforced'>, state: LiveMigration): Decision {
  if (!isIn(state, 'bridged', 'enforced')) return wrongPhase(state);
  const missing = command.data.tables.find((name) => !find(state, name));
  if (missing) return refuse('UnknownTarget', { ...targetOf(missing) });
  const { reason } = command.data;
  const tables = command.data.tables.filter((name) => find(state, name)?.enforcement === 'enforced').map(targetOf);
  if (tables.length === 0) return already;
  const undone = yields('Unenforced', { tables, reason }, command);
  // a cutover that starts by itself would enforce again within seconds what somebody has just taken back
  if (state.cutoverStart === 'manual' || state.held) return undone;
  return and(undone, yields('Held', { reason: `unenforced: ${reason}` }, command));
}
