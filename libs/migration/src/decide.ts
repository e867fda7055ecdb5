import type { Decider } from '@highwater/kernel';
import { assertNever, refuse } from '@highwater/kernel';
import type { CommandOf, MigrationCommand } from './commands.js';
import * as cutover from './decide-cutover.js';
import * as stream from './decide-stream.js';
import type { Decision, RefusalReason } from './decision.js';
import { already, isIn, wrongPhase, yields } from './decision.js';
import type { MigrationEvent } from './events.js';
import { evolve } from './evolve.js';
import type { LiveMigration, Migration } from './state.js';
import { nothing } from './state.js';

/**
 * The one place where a migration's history is decided. Repeating a command yields no event; an expected refusal is data, not a throw.
 * What a `Record…` command reports has happened on a server: pause and hold do not undo it, so they do not refuse it.
 */
export function decide(command: MigrationCommand, state: Migration): Decision {
  if (command.type === 'Plan') return plan(command, state);
  if (state.phase === 'none') return refuse('Unplanned');
  switch (command.type) {
    case 'RecordPreflightPassed':
      return preflightPassed(command, state);
    case 'RecordPreflightFailed':
      return preflightFailed(command, state);
    case 'RecordExpanded':
      if (state.phase === 'preflighted') return yields('Expanded', command.data, command);
      return isIn(state, 'planned', 'preflight-failed', 'finished') ? wrongPhase(state) : already;
    case 'RecordStreamOpened':
      return stream.opened(command, state);
    case 'RecordStreamBroken':
      return stream.broken(command, state);
    case 'StartSweep':
      return stream.startSweep(command, state);
    case 'RecordSweepCompleted':
      return stream.sweepCompleted(command, state);
    case 'RecordBridged':
      return stream.bridged(command, state);
    case 'RecordFence':
      return stream.fence(command, state);
    case 'RecordVerification':
      return stream.verification(command, state);
    case 'Pause':
    case 'Halt':
    case 'Resume':
      return pause(command, state);
    case 'ChangeLimits':
      return changeLimits(command, state);
    case 'RecordReadiness':
      return readiness(command, state);
    case 'Hold':
    case 'Release':
    case 'Approve':
      return postpone(command, state);
    case 'CutOver':
      return cutover.cutOver(command, state);
    case 'RecordGuarded':
    case 'RecordEnforced':
      return cutover.progressed(command, state);
    case 'FailCutover':
      return cutover.failed(command, state);
    case 'RecordCutoverOutcomeUnknown':
      return cutover.outcomeUnknown(command, state);
    case 'ReconcileCutover':
      return cutover.reconciled(command, state);
    case 'CompleteCutover':
      return cutover.completed(command, state);
    case 'RecordUnenforced':
      return cutover.unenforced(command, state);
    case 'RecordRolledBack':
      // what finish left on the tables (values, constraints, indexes) can still be taken back
      if (state.phase === 'finished' && state.outcome === 'rolled-back') return already;
      return state.phase === 'cutting-over' ? wrongPhase(state) : yields('RolledBack', command.data, command);
    case 'RecordFinished':
      if (state.phase === 'finished') return state.outcome === 'finished' ? already : wrongPhase(state);
      return state.phase === 'enforced' ? yields('Finished', command.data, command) : wrongPhase(state);
    default:
      return assertNever(command);
  }
}

function plan(command: CommandOf<'Plan'>, state: Migration): Decision {
  if (state.phase === 'none') return yields('Planned', command.data, command);
  // Another plan is another migration: the id is taken for good.
  if (state.planHash !== command.data.planHash) return refuse('AlreadyPlanned', { planHash: state.planHash });
  return already;
}

const sameTexts = (a: readonly string[], b: readonly string[]): boolean => a.join('\n') === b.join('\n');

function preflightPassed(command: CommandOf<'RecordPreflightPassed'>, state: LiveMigration): Decision {
  if (!isIn(state, 'planned', 'preflighted', 'preflight-failed')) return wrongPhase(state);
  const { preflight } = state;
  const repeated =
    preflight !== null &&
    preflight.fingerprint === command.data.fingerprint &&
    sameTexts(preflight.warnings, command.data.warnings) &&
    sameTexts(preflight.acceptedWarnings, command.data.acceptedWarnings);
  return repeated ? already : yields('PreflightPassed', command.data, command);
}

function preflightFailed(command: CommandOf<'RecordPreflightFailed'>, state: LiveMigration): Decision {
  if (!isIn(state, 'planned', 'preflighted', 'preflight-failed')) return wrongPhase(state);
  const lines = (failures: readonly { check: string; message: string }[]): string[] =>
    failures.map((f) => `${f.check}: ${f.message}`);
  const repeated = state.phase === 'preflight-failed' && sameTexts(lines(state.failures), lines(command.data.failures));
  return repeated ? already : yields('PreflightFailed', command.data, command);
}

function pause(command: CommandOf<'Pause'> | CommandOf<'Halt'> | CommandOf<'Resume'>, state: LiveMigration): Decision {
  if (state.phase === 'finished') return wrongPhase(state);
  switch (command.type) {
    case 'Resume':
      return state.pause === 'running' ? already : yields('Resumed', command.data, command);
    case 'Pause':
      // A halted migration is paused already; recording a pause would let the live fill start again.
      return state.pause === 'running' ? yields('Paused', command.data, command) : already;
    case 'Halt':
      return state.pause === 'halted' ? already : yields('Halted', command.data, command);
    default:
      return assertNever(command);
  }
}

function changeLimits(command: CommandOf<'ChangeLimits'>, state: LiveMigration): Decision {
  if (state.phase === 'finished') return wrongPhase(state);
  const limits = { ...state.limits, ...command.data.limits };
  const same = Object.entries(limits).every(([name, value]) => state.limits[name as keyof typeof limits] === value);
  return same ? already : yields('LimitsChanged', { limits }, command);
}

/** Only the two edges are facts; each evaluation in between is not. From the cutover on, readiness decides nothing any more. */
function readiness(command: CommandOf<'RecordReadiness'>, state: LiveMigration): Decision {
  const { ready, generation, conditions } = command.data;
  if (isIn(state, 'cutting-over', 'enforced', 'finished')) return already;
  if (ready) return state.readyGeneration === null ? yields('BecameReady', { generation }, command) : already;
  if (state.readyGeneration === null) return already;
  const unmet = conditions.filter((c) => c.status !== 'True').map(({ type, reason }) => ({ type, reason }));
  return yields('CeasedReady', { generation, conditions: unmet }, command);
}

function postpone(
  command: CommandOf<'Hold'> | CommandOf<'Release'> | CommandOf<'Approve'>,
  state: LiveMigration,
): Decision {
  // row level security follows enforcement, and so may its approval
  const after = command.type === 'Approve' && command.data.of === 'rowSecurity';
  if (isIn(state, ...(after ? (['finished'] as const) : (['enforced', 'finished'] as const)))) return wrongPhase(state);
  switch (command.type) {
    case 'Hold':
      return state.held ? already : yields('Held', command.data, command);
    case 'Release':
      return state.held ? yields('Released', command.data, command) : already;
    case 'Approve': {
      // One voice each: two approvals of one actor are one approval.
      const approvals = after ? state.rowSecurityApprovals : state.approvals;
      const given = approvals.some((approval) => approval.actor === command.metadata.actor);
      return given ? already : yields('Approved', command.data, command);
    }
    default:
      return assertNever(command);
  }
}

export const migrationDecider: Decider<Migration, MigrationCommand, MigrationEvent, RefusalReason> = {
  initial: nothing,
  decide,
  evolve,
};
