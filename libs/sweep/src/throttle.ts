import { formatBytes, formatDuration } from '@highwater/kernel';

export const throttleReasons = [
  'operator',
  'retained_wal',
  'replica_lag',
  'autovacuum',
  'lock_waits',
  'max_rate',
  'signal_unreadable',
] as const;
export type ThrottleReason = (typeof throttleReasons)[number];

/** `slow`: one chunk, then a pause of `waitMs`. `stop`: no chunk before the next look, `waitMs` later. */
export type ThrottleVerdict =
  | { readonly go: true }
  | { readonly go: 'slow' | false; readonly reason: ThrottleReason; readonly message: string; readonly waitMs: number };

/** A reading, or why there is none: a signal that cannot be read is a reason to slow down, not to go on. */
export type Reading<T> = { readonly value: T } | { readonly unreadable: string };

export interface ThrottleSignals {
  /** Worst lag of a physical standby in ms; null: there is none. */
  readonly replicaLagMs: Reading<{ readonly name: string; readonly ms: number } | null>;
  /** WAL held back by our slot; null: no stream. */
  readonly retainedWalBytes: Reading<bigint | null>;
  /** An autovacuum works on the table and waits or is throttled by us. */
  readonly autovacuum: Reading<boolean>;
  /** Sessions waiting for a lock one of our sessions holds. */
  readonly lockWaiters: Reading<number>;
  /** Rows of the last chunk, times the workers of this process, and how long ago it began. */
  readonly lastChunk: { readonly rows: number; readonly msAgo: number };
}

export interface ThrottleLimits {
  readonly replicaLagMs: number;
  /** null: no stream, so no slot that could fill the disk. */
  readonly retainedWalBytes: bigint | null;
  /** 0: unlimited. */
  readonly sweepRowsPerSecondMax: number;
}

/** The sweep slows down from here on, and stops at twice this share of the plan's `retainedWal`. */
const walSlowShare = 0.4;

/** Decides before every chunk. The strictest reason wins, in the order of `throttleReasons`. */
export function throttle(signals: ThrottleSignals, limits: ThrottleLimits): ThrottleVerdict {
  const unreadable: string[] = [];
  const read = <T>(name: string, reading: Reading<T>, otherwise: T): T => {
    if ('value' in reading) return reading.value;
    unreadable.push(`${name}: ${reading.unreadable}`);
    return otherwise;
  };
  const lag = read('replica lag', signals.replicaLagMs, null);
  const wal = read('retained WAL', signals.retainedWalBytes, null);
  const vacuum = read('autovacuum', signals.autovacuum, false);
  const waiters = read('lock waits', signals.lockWaiters, 0);

  const bound = limits.retainedWalBytes;
  if (wal !== null && bound !== null && bound > 0n) {
    const share = Number(wal) / Number(bound);
    const message = `our slot holds back ${formatBytes(wal)} of ${formatBytes(bound)}`;
    if (share >= walSlowShare * 2) return { go: false, reason: 'retained_wal', message, waitMs: 1_000 };
    if (share >= walSlowShare) return { go: 'slow', reason: 'retained_wal', message, waitMs: 200 };
  }
  if (lag !== null && lag.ms > limits.replicaLagMs) {
    const message = `standby ${lag.name} is ${formatDuration(lag.ms)} behind, limit ${formatDuration(limits.replicaLagMs)}`;
    return { go: false, reason: 'replica_lag', message, waitMs: 500 };
  }
  if (waiters > 0)
    return { go: 'slow', reason: 'lock_waits', message: `${waiters} sessions wait for a lock of ours`, waitMs: 50 };
  if (vacuum) return { go: 'slow', reason: 'autovacuum', message: 'autovacuum works on the table', waitMs: 50 };
  const rate = limits.sweepRowsPerSecondMax;
  const dueMs = rate > 0 ? (signals.lastChunk.rows * 1_000) / rate - signals.lastChunk.msAgo : 0;
  if (dueMs > 0)
    return {
      go: false,
      reason: 'max_rate',
      message: `limit ${rate} rows/s`,
      waitMs: Math.min(1_000, Math.ceil(dueMs)),
    };
  if (unreadable.length > 0)
    return { go: 'slow', reason: 'signal_unreadable', message: `cannot read ${unreadable.join('; ')}`, waitMs: 100 };
  return { go: true };
}
