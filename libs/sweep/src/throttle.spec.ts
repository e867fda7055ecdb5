import { describe, expect, it } from 'vitest';
import { throttle, type ThrottleLimits, type ThrottleSignals } from './throttle.js';

const gib = 1n << 30n;
const calm: ThrottleSignals = {
  replicaLagMs: { value: null },
  retainedWalBytes: { value: gib },
  autovacuum: { value: false },
  lockWaiters: { value: 0 },
  lastChunk: { rows: 0, msAgo: 0 },
};
const limits: ThrottleLimits = { replicaLagMs: 10_000, retainedWalBytes: 20n * gib, sweepRowsPerSecondMax: 0 };
const judge = (signals: Partial<ThrottleSignals>, more: Partial<ThrottleLimits> = {}) => {
  const verdict = throttle({ ...calm, ...signals }, { ...limits, ...more });
  return verdict.go === true
    ? 'go'
    : `${verdict.go === 'slow' ? 'slow' : 'stop'} ${verdict.reason}: ${verdict.message}`;
};

describe('throttle', () => {
  it('goes when nothing speaks against it', () => {
    expect(judge({})).toBe('go');
    expect(judge({ retainedWalBytes: { value: null } }, { retainedWalBytes: null })).toBe('go');
  });

  it('slows at 40 % of the retained WAL and stops at 80 %', () => {
    expect(judge({ retainedWalBytes: { value: 8n * gib } })).toBe(
      'slow retained_wal: our slot holds back 8.0 GiB of 20.0 GiB',
    );
    expect(judge({ retainedWalBytes: { value: 16n * gib } })).toMatch(/^stop retained_wal/);
  });

  it('stops for a standby that is behind, and names it', () => {
    expect(judge({ replicaLagMs: { value: { name: 'east', ms: 10_000 } } })).toBe('go');
    expect(judge({ replicaLagMs: { value: { name: 'east', ms: 12_000 } } })).toBe(
      'stop replica_lag: standby east is 12s behind, limit 10s',
    );
  });

  it('slows for lock waiters and for autovacuum', () => {
    expect(judge({ lockWaiters: { value: 2 } })).toMatch(/^slow lock_waits: 2 sessions/);
    expect(judge({ autovacuum: { value: true } })).toMatch(/^slow autovacuum/);
  });

  it('slows when a signal cannot be read: unknown is not fine', () => {
    expect(judge({ replicaLagMs: { unreadable: 'not granted' } })).toBe(
      'slow signal_unreadable: cannot read replica lag: not granted',
    );
  });

  it('stops for WAL although another signal is unreadable: the strictest reason wins', () => {
    expect(judge({ retainedWalBytes: { value: 20n * gib }, lockWaiters: { unreadable: 'x' } })).toMatch(
      /^stop retained_wal/,
    );
  });

  it('waits exactly as long as the rate needs', () => {
    const verdict = throttle(
      { ...calm, lastChunk: { rows: 500, msAgo: 200 } },
      { ...limits, sweepRowsPerSecondMax: 1_000 },
    );
    expect(verdict).toEqual({ go: false, reason: 'max_rate', message: 'limit 1000 rows/s', waitMs: 300 });
    expect(judge({ lastChunk: { rows: 500, msAgo: 500 } }, { sweepRowsPerSecondMax: 1_000 })).toBe('go');
  });
});
