import { describe, expect, it } from 'vitest';
import type { LiveMigration } from '@highwater/migration';
import { askedRun, ownRun } from './verify.js';

const start = Date.parse('2026-11-21T10:00:00.000Z');
const at = (seconds: number): string => new Date(start + seconds * 1_000).toISOString();
const state = (verified: boolean, phase: LiveMigration['phase'] = 'bridged') =>
  ({ phase, bridge: {}, verification: verified ? { afterBridge: true } : null }) as unknown as LiveMigration;
const progress = (runId: string, done: boolean, seconds = 0) => [
  { runId, done, startedAt: at(0), movedAt: at(seconds) },
  { runId, done: true, startedAt: at(0), movedAt: at(0) },
];
const now = (seconds: number): number => start + seconds * 1_000;

it('a verification that was asked for is begun anew by the bridge, and its end counts for what began behind it', () => {
  expect(askedRun('op-1', { bridge: null })).not.toBe('op-1');
  expect(askedRun('op-1', { bridge: {} } as unknown as LiveMigration)).toBe('op-1');
});

describe('the verification nobody asked for', () => {
  it('is the one after the bridge until that is recorded', () => {
    expect(ownRun(state(false), progress('after-bridge', false), now(1))).toBe('after-bridge');
    expect(ownRun(state(false), progress('op-1', true), now(900))).toBeUndefined();
  });

  it('follows after a rest of ten seconds, or nine times what the last one took', () => {
    expect(ownRun(state(true), progress('after-bridge', true, 1), now(10))).toBeUndefined();
    expect(ownRun(state(true), progress('after-bridge', true, 1), now(12))).toBe(`again-${at(1)}`);
    expect(ownRun(state(true), progress('op-1', true, 60), now(500))).toBeUndefined();
    expect(ownRun(state(true), progress('op-1', true, 60), now(601))).toBe(`again-${at(60)}`);
  });

  it('goes on with the one under way, and begins none once the cutover does', () => {
    expect(ownRun(state(true), progress('again-x', false, 1), now(2))).toBe('again-x');
    expect(ownRun(state(true, 'enforced'), progress('again-x', false, 1), now(900))).toBeUndefined();
    expect(ownRun(state(true, 'cutting-over'), progress('op-1', true, 1), now(900))).toBeUndefined();
  });
});
