import { describe, expect, it } from 'vitest';
import type { LiveMigration, SlotSeen } from '@highwater/migration';
import { RateWindow } from '@highwater/sweep';
import type { SeenWorker, TargetProgress } from '@highwater/target-db';
import { noEntities } from './entity-status.js';
import { notCounted } from './null-counts.js';
import type { ProcessState } from './process-state.js';
import { resumedAt, statusView, type StatusInput } from './status.js';

const start = Date.UTC(2026, 8, 5, 10);
const at = (seconds: number): string => new Date(start + seconds * 1_000).toISOString();
const target = { table: 'public.Group', target: 'workspaceId', notNull: true, enforcement: 'open' } as const;
const state = {
  phase: 'sweeping',
  phaseSince: at(0),
  pause: 'running',
  stream: 'open',
  epoch: 1,
  targets: [target],
  limits: { chunkRowsMax: 5_000 },
  approvals: [],
  approvalsRequired: 0,
  held: null,
  cutoverStart: 'manual',
  cutoverAttempts: 0,
  cutoverFailure: null,
  sweepResult: null,
  readyGeneration: null,
} as unknown as LiveMigration;
const progress = {
  targetNo: 0,
  filled: { sweep: 100, live: 3, tailPass: 0 },
  rowsScanned: 120,
  rowsEstimated: 1_000,
  openRanges: 2,
  doneRanges: 1,
  pass: 0,
  hints: { already: 0, gone: 0, unfillable: 0, contended: 0, parked: 0, dead_letter: 0 },
  unfillable: {},
} as const satisfies TargetProgress;
// an open transaction of somebody keeps the WAL; the relay has read and acknowledged nearly all of it
const slot = { active: true, walStatus: 'reserved', retainedBytes: 9_000_000, behindBytes: 128, safeBytes: null, limitBytes: 1e9 } satisfies SlotSeen; // prettier-ignore
const sweeper = (instance: string, of: Partial<SeenWorker> = {}): SeenWorker => ({
  instance,
  role: 'sweeper',
  state: 'running',
  reason: 'sweeping',
  message: 'public."Group"',
  since: at(1),
  rowsPerSecond: 50,
  chunkRows: 250,
  seenAt: at(20),
  ...of,
});
const view = (change: Partial<StatusInput> = {}) =>
  statusView({
    process: {
      id: 'm',
      entities: [],
      doing: { code: 'Sweeping', message: 'ranges', since: new Date(start) },
    } as unknown as ProcessState,
    state,
    progress: [progress],
    entities: noEntities,
    nulls: notCounted,
    uses: [],
    rowSecurity: null,
    ddlSteps: [],
    slot,
    retention: { bytesPerSecond: null, lostInMs: null },
    fence: { token: 'f-1', writtenAt: at(8), reachedAt: at(8), partitions: 4, reached: 4, roundTripMs: 412, stuck: [] },
    workers: [sweeper('a'), sweeper('b', { chunkRows: 400 })],
    resumedFrom: null,
    rate: new RateWindow(),
    now: new Date(start + 20_000),
    fenceWaitMs: null,
    ...change,
  });

describe('status', () => {
  it('tells the lag of the fence and of the acknowledgement, not what the slot retains', () => {
    expect(view().lag).toEqual({ bytes: 128, seconds: 0.412 });
    expect(view().statusLine).toContain('lag 128 B/0.4s');
    expect(view().statusLine).toContain('slot 8.6 MiB of');
  });

  it('tells how full the slot is, how fast it fills, and when it is lost', () => {
    expect(view().slot).toMatchObject({ retainedBytes: 9_000_000, percent: 0, bytesPerSecond: null, lostInMs: null });
    expect(view().statusLine).toMatch(/slot 8\.6 MiB of \S+ \S+ \(0%\);/);
    const filling = view({
      slot: { ...slot, retainedBytes: 6e8 },
      retention: { bytesPerSecond: 1e6, lostInMs: 400_000 },
    });
    expect(filling.slot).toMatchObject({ percent: 60, bytesPerSecond: 1e6, lostInMs: 400_000 });
    expect(filling.statusLine).toContain('(60%), lost in 6m40s;');
  });

  it('counts on while a fence has not come back, and knows nothing before the first', () => {
    const open = { token: 'f-2', writtenAt: at(8), partitions: 4, reached: 3, stuck: [] };
    expect(view({ fence: open, fenceWaitMs: 12_000 }).lag).toEqual({ bytes: 128, seconds: 12 });
    expect(view({ fence: null }).lag).toEqual({ bytes: 128, seconds: null });
    expect(view({ fence: null }).statusLine).toContain('lag 128 B/unknown');
    expect(view({ state: { ...state, stream: 'broken' } as LiveMigration }).lag).toBeNull();
  });

  it('shows the chunk size in use, the largest of all sweepers', () => {
    expect(view()).toMatchObject({ chunkRows: 400, throttled: null });
    expect(view().statusLine).toContain('batch 400');
    expect(view({ workers: [] }).statusLine).toContain('batch unknown');
  });

  it('says throttled, why and since when, once no sweeper runs', () => {
    const slow = { state: 'throttled', reason: 'replica_lag', message: '3s > 1s', since: at(8) };
    const held = view({ workers: [sweeper('a', slow), sweeper('b', { state: 'idle' })] });
    expect(held.throttled).toEqual({ reason: 'replica_lag', message: '3s > 1s', since: at(8) });
    expect(held.statusLine).toContain('throttled: replica_lag 3s > 1s (12s)');
    expect(view({ workers: [sweeper('a', slow), sweeper('b')] }).throttled).toBeNull();
    const paused = view({ workers: [sweeper('a', slow)], state: { ...state, pause: 'paused' } as LiveMigration });
    expect(paused).toMatchObject({ throttled: null, reason: { code: 'Sweeping' } });
  });

  it('says where a process that took over found it', () => {
    const now = new Date(start);
    expect(resumedAt(state, [progress], now)).toEqual({ position: 'sweeping: 120 rows and 1 ranges swept', at: at(0) });
    expect(resumedAt({ ...state, phase: 'planned' } as LiveMigration, [], now)).toBeNull();
  });
});
