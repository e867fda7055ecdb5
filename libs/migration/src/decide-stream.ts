import { refuse } from '@highwater/kernel';
import type { CommandOf } from './commands.js';
import type { Decision } from './decision.js';
import { already, isIn, wrongPhase, yields } from './decision.js';
import type { LiveMigration } from './state.js';

// Stream, sweep, bridge, fence, verification: everything between the plan and the cutover.

export function opened(command: CommandOf<'RecordStreamOpened'>, state: LiveMigration): Decision {
  const { epoch, slot } = command.data;
  if (!state.streamPlanned) return refuse('NoStream');
  if (!isIn(state, 'expanded', 'streaming', 'sweeping', 'swept', 'bridged', 'enforced')) return wrongPhase(state);
  if (epoch === state.epoch && state.streamFacts?.slot === slot && state.stream === 'open') return already;
  if (state.stream === 'open') return refuse('StreamOpen', { epoch: state.epoch });
  if (epoch !== state.epoch + 1) return refuse('Stale', { expected: state.epoch + 1, found: epoch });
  return yields('StreamOpened', command.data, command);
}

/** A break is recorded in every phase that has a stream; the report of a break that is known already is no news. */
export function broken(command: CommandOf<'RecordStreamBroken'>, state: LiveMigration): Decision {
  if (!state.streamPlanned) return refuse('NoStream');
  if (!isIn(state, 'streaming', 'sweeping', 'swept', 'bridged', 'cutting-over', 'enforced')) return wrongPhase(state);
  if (command.data.epoch > state.epoch) return refuse('Stale', { expected: state.epoch, found: command.data.epoch });
  if (command.data.epoch < state.epoch || state.stream === 'broken') return already;
  return yields('StreamBroken', command.data, command);
}

export function startSweep(command: CommandOf<'StartSweep'>, state: LiveMigration): Decision {
  // A plan without a stream has one epoch, and its sweep opens it.
  const expected = state.streamPlanned ? state.epoch : 1;
  if (command.data.epoch !== expected) return refuse('Stale', { expected, found: command.data.epoch });
  // Upper bounds are read only after the slot returned: a sweep never starts without the stream that the plan asks for.
  const mayStart = state.streamPlanned
    ? state.phase === 'streaming' && state.stream === 'open'
    : state.phase === 'expanded';
  if (mayStart) return yields('SweepStarted', command.data, command);
  return isIn(state, 'sweeping', 'swept', 'bridged', 'cutting-over', 'enforced') ? already : wrongPhase(state);
}

export function sweepCompleted(command: CommandOf<'RecordSweepCompleted'>, state: LiveMigration): Decision {
  if (command.data.epoch !== state.epoch) return refuse('Stale', { expected: state.epoch, found: command.data.epoch });
  if (state.phase === 'sweeping') return yields('SweepCompleted', command.data, command);
  return isIn(state, 'swept', 'bridged', 'cutting-over', 'enforced') ? already : wrongPhase(state);
}

export function bridged(command: CommandOf<'RecordBridged'>, state: LiveMigration): Decision {
  if (state.bridge) return isIn(state, 'finished') ? wrongPhase(state) : already;
  return state.phase === 'swept' ? yields('Bridged', command.data, command) : wrongPhase(state);
}

/** A fence counts only in the epoch it was written in, and only while that stream lives. */
export function fence(command: CommandOf<'RecordFence'>, state: LiveMigration): Decision {
  if (!state.streamPlanned) return refuse('NoStream');
  if (!isIn(state, 'streaming', 'sweeping', 'swept', 'bridged', 'cutting-over')) return wrongPhase(state);
  if (command.data.epoch !== state.epoch || state.stream !== 'open') {
    return refuse('Stale', { expected: state.epoch, found: command.data.epoch, stream: state.stream });
  }
  return state.fence?.token === command.data.token ? already : yields('FenceReached', command.data, command);
}

/** A verification that says what the last one said is no news, unless somebody asked for it. */
export function verification(command: CommandOf<'RecordVerification'>, state: LiveMigration): Decision {
  if (!isIn(state, 'sweeping', 'swept', 'bridged', 'cutting-over', 'enforced')) return wrongPhase(state);
  const last = state.verification;
  const asked = command.metadata.operationId ?? null;
  if (last) {
    if (asked !== null && asked === last.operationId) return already;
    const sameAssertions = JSON.stringify(last.assertions ?? []) === JSON.stringify(command.data.assertions ?? []);
    const sameResult =
      last.mismatches === command.data.mismatches && last.unfillable === command.data.unfillable && sameAssertions;
    const sameBridge = last.afterBridge === (state.bridge !== null);
    if (asked === null && sameResult && sameBridge) return already;
  }
  return yields('VerificationCompleted', command.data, command);
}
