import { isRefusal } from '@highwater/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommandType, MigrationCommand } from './commands.js';
import { decide } from './decide.js';
import type { MigrationEvent } from './events.js';
import { evolve, fold } from './evolve.js';
import { sample } from './samples.js';
import type { Migration } from './state.js';
import { nothing } from './state.js';
import { parseMigrationEvent } from './stored-events.js';
import { transitions } from './transitions.js';

const commandTypes = Object.keys(transitions) as CommandType[];
/** The ordinary run comes up often enough to reach the late phases; everything else comes in between. */
const ordinary: CommandType[] = [
  'Plan', 'RecordPreflightPassed', 'RecordExpanded', 'RecordStreamOpened', 'StartSweep', 'RecordSweepCompleted', 'RecordBridged',
  'CutOver', 'RecordGuarded', 'RecordEnforced', 'CompleteCutover',
]; // prettier-ignore

interface Step {
  readonly type: CommandType;
  readonly actor: string;
  /** Adds to the epoch or attempt of the command, so that stale and premature reports occur. */
  readonly skew: number;
  readonly found: 'open' | 'guarded' | 'validated' | 'enforced';
  readonly ready: boolean;
}
const step = fc.record<Step>({
  type: fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...ordinary) },
    { weight: 3, arbitrary: fc.constantFrom(...commandTypes) },
  ),
  actor: fc.constantFrom('ada', 'bob'),
  skew: fc.constantFrom(0, 0, 0, 0, 0, 0, -1, 1),
  found: fc.constantFrom('open', 'guarded', 'validated', 'enforced'),
  ready: fc.boolean(),
});

function issue(one: Step, state: Migration, index: number): MigrationCommand {
  const at = new Date(Date.UTC(2026, 8, 5) + index * 1_000).toISOString();
  const made = sample(one.type, state, { at, metadata: { actor: one.actor } });
  const data: Record<string, unknown> = { ...made.data };
  if (typeof data['epoch'] === 'number') data['epoch'] = Math.max(0, data['epoch'] + one.skew);
  if (typeof data['attempt'] === 'number') data['attempt'] = Math.max(1, data['attempt'] + one.skew);
  if (one.type === 'ReconcileCutover') data['found'] = one.found;
  if (one.type === 'RecordReadiness') Object.assign(data, { ready: one.ready });
  return { ...made, data } as MigrationCommand;
}

/** Numbered so that a failure names what broke. `before` is the state on which `event` was decided. */
function check(before: Migration, event: MigrationEvent, after: Migration): void {
  const fail = (number: number, what: string): never => {
    throw new Error(`invariant ${number} broken: ${what}; ${before.phase} --${event.type}--> ${after.phase}`);
  };
  if (after.phase === 'none') return fail(1, 'an event leads to a migration');
  if (before.phase === 'none') return;
  if (before.phase === 'finished' && (event.type !== 'RolledBack' || before.outcome === 'rolled-back'))
    fail(2, 'finished is final, but for one rollback');
  if (after.epoch !== before.epoch && after.epoch !== before.epoch + 1) fail(3, 'an epoch follows the one before');
  if (after.phase === 'enforced' && after.targets.some((t) => t.notNull && t.enforcement !== 'enforced')) {
    fail(4, 'enforced means every target that shall be NOT NULL');
  }
  if (event.type === 'CutoverBegan' && (before.phase !== 'bridged' || before.pause !== 'running' || before.held)) {
    fail(5, 'a cutover begins bridged, running and not held');
  }
  const outcomes = ['Guarded', 'Enforced', 'CutoverFailed', 'CutoverCompleted'];
  if (before.phase === 'cutting-over' && before.unknown && outcomes.includes(event.type)) {
    fail(6, 'nothing is concluded while an outcome is unknown');
  }
  if (before.bridge && !after.bridge) fail(7, 'an installed bridge stays in the books');
  if (event.type === 'CutoverBegan' && event.data.attempt !== before.cutoverAttempts + 1)
    fail(8, 'attempts count by one');
  if (event.type === 'SweepStarted' && after.stream === 'broken') fail(9, 'a sweep starts with its stream open');
  if (after.phase !== 'cutting-over' && after.targets.some((t) => t.enforcement === 'guarded')) {
    fail(10, 'no guard of ours outside an attempt');
  }
  if (after.targets.some((t) => !t.notNull && t.enforcement !== 'open'))
    fail(11, 'a nullable target is never enforced');
  if (after.stream === 'broken' && after.fence) fail(12, 'a fence is void when its stream breaks');
  if (before.phase === 'enforced' && !['enforced', 'bridged', 'finished'].includes(after.phase)) {
    fail(13, 'enforced goes back only by unenforce');
  }
}

describe('a migration under any order of commands', () => {
  it('holds its invariants, repeats silently and replays to the same state', () => {
    const reached = new Set<string>();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        let state: Migration = nothing;
        const log: MigrationEvent[] = [];
        steps.forEach((one, index) => {
          const asked = issue(one, state, index);
          const decision = decide(asked, state);
          if (isRefusal(decision)) return;
          for (const event of decision) {
            const after = evolve(state, event);
            check(state, event, after);
            log.push(parseMigrationEvent({ ...event }));
            state = after;
          }
          reached.add(state.phase);
          if (decision.length > 0) expect(decide(asked, state)).toEqual([]);
        });
        expect(fold(log)).toEqual(state);
      }),
      { numRuns: 1_500, seed: 20_260_905 },
    );
    expect([...reached].sort()).toEqual(
      expect.arrayContaining(['bridged', 'cutting-over', 'enforced', 'finished', 'preflight-failed', 'swept']),
    );
  });
});
