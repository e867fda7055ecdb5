import { isRefusal } from '@highwater/kernel';
import { describe, expect, it } from 'vitest';
import type { CommandData, CommandType, MigrationCommand } from './commands.js';
import { command } from './commands.js';
import { decide } from './decide.js';
import { evolve, fold } from './evolve.js';
import { issued, sample, stateIn } from './samples.js';
import type { Migration } from './state.js';
import { nothing } from './state.js';
import { parseMigrationEvent } from './stored-events.js';

const after = (state: Migration, ...commands: readonly (CommandType | MigrationCommand)[]): Migration =>
  commands.reduce<Migration>((now, next) => {
    const decision = decide(typeof next === 'string' ? sample(next, now) : next, now);
    if (isRefusal(decision))
      throw new Error(`${String(next)} refused: ${decision.refused} ${JSON.stringify(decision.detail)}`);
    return fold(decision, now);
  }, state);
const but = <T extends CommandType>(type: T, state: Migration, change: Partial<CommandData[T]>): MigrationCommand => {
  const made = sample(type, state);
  return { ...made, data: { ...made.data, ...change } } as MigrationCommand;
};

describe('cutover', () => {
  const bridged = stateIn('bridged');

  it.each<[string, Migration, Partial<CommandData['CutOver']>, string]>([
    ['paused', after(bridged, 'Pause'), {}, 'Paused'],
    ['halted', after(bridged, 'Halt'), {}, 'Paused'],
    ['held', after(bridged, 'Hold'), {}, 'Held'],
    ['a stale generation', bridged, { expectedGeneration: '6' }, 'Stale'],
    [
      'an Unknown condition',
      bridged,
      { conditions: [{ type: 'Verified', status: 'Unknown', reason: 'NotObserved' }] },
      'NotReady',
    ],
    ['no condition at all', bridged, { conditions: [] }, 'NotReady'],
  ])('is refused when %s', (_why, state, change, reason) => {
    expect(decide(but('CutOver', state, change), state)).toMatchObject({ refused: reason });
  });

  it('names the conditions that are not met', () => {
    const conditions = [
      { type: 'Verified', status: 'True', reason: 'NoMismatches' },
      { type: 'NullCountZero', status: 'False', reason: 'RowsRemaining' },
    ] as const;
    expect(decide(but('CutOver', bridged, { conditions }), bridged)).toMatchObject({
      detail: { unmet: ['NullCountZero'] },
    });
  });

  it('goes on from what a failed attempt left enforced, and a guard of it is no longer in force', () => {
    const failed = after(bridged, 'CutOver', 'RecordGuarded', 'FailCutover');
    expect(failed).toMatchObject({
      phase: 'bridged',
      cutoverAttempts: 1,
      targets: [{ enforcement: 'open' }, { enforcement: 'open' }],
    });
    const begun = after(failed, 'CutOver');
    expect(begun).toMatchObject({ phase: 'cutting-over', attempt: 2 });
    expect(after(begun, 'RecordEnforced', 'CompleteCutover').phase).toBe('enforced');
  });

  it('is one attempt for one request', () => {
    const failed = after(bridged, 'CutOver', 'FailCutover');
    const { operationId } = sample('CutOver', bridged).data as CommandData['CutOver'];
    expect(decide(but('CutOver', failed, { operationId }), failed)).toMatchObject({ refused: 'AttemptOver' });
  });

  it('concludes nothing while an outcome is unknown, and stores Enforced once it is known', () => {
    const unknown = after(bridged, 'CutOver', 'RecordGuarded', 'RecordCutoverOutcomeUnknown');
    for (const type of ['RecordEnforced', 'FailCutover', 'CompleteCutover'] as const) {
      expect(decide(sample(type, unknown), unknown), type).toMatchObject({ refused: 'OutcomeUnknown' });
    }
    const reconciled = after(unknown, but('ReconcileCutover', unknown, { found: 'enforced' }));
    expect(decide(sample('RecordEnforced', reconciled), reconciled)).toHaveLength(1);
    expect(after(reconciled, 'RecordEnforced', 'CompleteCutover').phase).toBe('enforced');
  });

  it('waits for a release after unenforce when it would start by itself', () => {
    const auto: Migration = { ...stateIn('enforced'), cutoverStart: 'auto' } as Migration;
    const unenforced = after(auto, 'RecordUnenforced');
    expect(unenforced).toMatchObject({ phase: 'bridged', held: { actor: 'ada', reason: 'unenforced: emergency' } });
    expect(decide(sample('CutOver', unenforced), unenforced)).toMatchObject({ refused: 'Held' });
    expect(after(unenforced, 'Release', 'CutOver').phase).toBe('cutting-over');
  });

  it('can be asked for again after unenforce', () => {
    const unenforced = after(stateIn('enforced'), 'RecordUnenforced');
    expect(unenforced).toMatchObject({ phase: 'bridged', bridge: { mode: 'assign' } });
    expect(after(unenforced, 'CutOver', 'RecordGuarded', 'RecordEnforced', 'CompleteCutover').phase).toBe('enforced');
  });
});

describe('a broken stream', () => {
  it.each(['streaming', 'sweeping', 'swept', 'bridged'] as const)(
    'in %s is followed by a new epoch and a new sweep',
    (phase) => {
      const before = stateIn(phase);
      const broken = after(before, 'RecordStreamBroken');
      expect(broken).toMatchObject({ phase, stream: 'broken', streamBreak: { reason: 'SlotLost' } });
      const reopened = after(broken, 'RecordStreamOpened');
      expect(reopened).toMatchObject({
        phase: 'streaming',
        stream: 'open',
        epoch: 2,
        streamBreak: null,
        sweepResult: null,
      });
      const swept = after(reopened, 'StartSweep', 'RecordSweepCompleted');
      // An installed bridge stays installed, so nothing is left to do before ready.
      expect(swept.phase).toBe(phase === 'bridged' ? 'bridged' : 'swept');
    },
  );

  it('needs no new sweep once enforced', () => {
    const reopened = after(stateIn('enforced'), 'RecordStreamBroken', 'RecordStreamOpened');
    expect(reopened).toMatchObject({ phase: 'enforced', stream: 'open', epoch: 2 });
  });

  it('refuses what belongs to another epoch', () => {
    const reopened = after(stateIn('swept'), 'RecordStreamBroken', 'RecordStreamOpened');
    for (const type of ['StartSweep', 'RecordFence', 'RecordSweepCompleted'] as const) {
      expect(decide(but(type, reopened, { epoch: 1 }), reopened), type).toMatchObject({ refused: 'Stale' });
    }
    expect(decide(but('RecordStreamBroken', reopened, { epoch: 1 }), reopened)).toEqual([]);
    const broken = after(reopened, 'RecordStreamBroken');
    expect(decide(but('RecordStreamOpened', broken, { epoch: 4 }), broken)).toMatchObject({ refused: 'Stale' });
    expect(decide(sample('RecordFence', broken), broken)).toMatchObject({ refused: 'Stale' });
  });
});

describe('a plan without a stream', () => {
  it('goes from expanded to sweeping, in epoch 1', () => {
    const planned = after(nothing, but('Plan', nothing, { stream: false }));
    const expanded = after(planned, 'RecordPreflightPassed', 'RecordExpanded');
    expect(decide(sample('RecordStreamOpened', expanded), expanded)).toMatchObject({ refused: 'NoStream' });
    const sweeping = after(expanded, but('StartSweep', expanded, { epoch: 1 }));
    expect(sweeping).toMatchObject({ phase: 'sweeping', epoch: 1, stream: 'none' });
    expect(after(sweeping, 'RecordSweepCompleted', 'RecordBridged').phase).toBe('bridged');
  });
});

describe('pause, readiness, approvals, verification', () => {
  it('does not let a pause weaken a halt', () => {
    const halted = after(stateIn('sweeping'), 'Halt');
    expect(decide(sample('Pause', halted), halted)).toEqual([]);
    expect(after(halted, 'Resume')).toMatchObject({ pause: 'running', pauseReason: null });
  });

  it('stores the edges of readiness only', () => {
    const ready = after(stateIn('bridged'), 'RecordReadiness');
    expect(ready).toMatchObject({ readyGeneration: '7' });
    expect(decide(but('RecordReadiness', ready, { generation: '8' }), ready)).toEqual([]);
    const conditions = [{ type: 'Verified', status: 'Unknown', reason: 'NotObserved' }] as const;
    const ceased = decide(but('RecordReadiness', ready, { ready: false, generation: '9', conditions }), ready);
    expect(ceased).toMatchObject([
      { type: 'CeasedReady', data: { generation: '9', conditions: [{ type: 'Verified', reason: 'NotObserved' }] } },
    ]);
  });

  it('counts one approval per actor', () => {
    const approve = (actor: string): MigrationCommand =>
      command('Approve', { reason: 'x' }, { ...issued, metadata: { actor } });
    const state = after(stateIn('bridged'), approve('ada'), approve('ada'), approve('bob'));
    expect(state).toMatchObject({ approvals: [{ actor: 'ada' }, { actor: 'bob' }] });
  });

  it('takes an approval of row level security apart from one of the cutover, also once enforced', () => {
    const approve = command('Approve', { reason: 'x', of: 'rowSecurity' }, issued);
    const enforced = after(stateIn('enforced'), approve, approve);
    expect(enforced).toMatchObject({ approvals: [], rowSecurityApprovals: [{ actor: 'ada' }] });
    expect(decide(sample('Approve', enforced), enforced)).toMatchObject({ refused: 'WrongPhase' });
    expect(decide(approve, stateIn('finished'))).toMatchObject({ refused: 'WrongPhase' });
  });

  it('stores a verification when its result is news or somebody asked', () => {
    const verified = after(stateIn('swept'), 'RecordVerification');
    expect(decide(but('RecordVerification', verified, { checked: 2_000 }), verified)).toEqual([]);
    expect(decide(but('RecordVerification', verified, { mismatches: 1 }), verified)).toHaveLength(1);
    const asked = {
      ...sample('RecordVerification', verified),
      metadata: { actor: 'ada', operationId: 'op-9' },
    } as MigrationCommand;
    expect(decide(asked, verified)).toHaveLength(1);
    expect(decide(asked, after(verified, asked))).toEqual([]);
    const bridged = after(verified, 'RecordBridged');
    expect(decide(sample('RecordVerification', bridged), bridged)).toHaveLength(1);
  });

  it('takes the same plan again silently, and no other plan', () => {
    const planned = stateIn('planned');
    expect(decide(but('Plan', planned, { planHash: 'e'.repeat(64) }), planned)).toMatchObject({
      refused: 'AlreadyPlanned',
    });
  });
});

describe('stored events', () => {
  const raw = { type: 'Paused', at: issued.at, data: { reason: 'x' }, metadata: { actor: 'ada' } };

  it('names a type or field that this version does not know, and never the value', () => {
    expect(() => parseMigrationEvent({ ...raw, type: 'Teleported' })).toThrow(
      'event type "Teleported" is not known to this version',
    );
    expect(() => parseMigrationEvent({ ...raw, data: { reason: 7 } })).toThrow(
      'another shape than this version knows, at "reason"',
    );
    expect(() => parseMigrationEvent({ ...raw, metadata: {} })).toThrow('at "actor"');
  });

  it('throws on a history that cannot be', () => {
    expect(() => evolve(nothing, parseMigrationEvent(raw))).toThrow('event Paused cannot follow in phase "none"');
  });
});
