import type { SlotSeen } from './observations.js';

/** What a slot retained at one moment, and what may still be written before it is lost. */
export interface RetainedSample {
  /** Another slot begins anew. */
  readonly slot: string;
  /** Monotonic, ms. */
  readonly atMs: number;
  readonly retainedBytes: number;
  /** Null: nothing takes it away. */
  readonly leftBytes: number | null;
}

export interface RetentionRate {
  /** Growth of what is retained, negative while it shrinks; null: not known yet. */
  readonly bytesPerSecond: number | null;
  /** Until the slot is lost if it goes on so; null: not known, or it does not grow, or nothing takes it away. */
  readonly lostInMs: number | null;
}

export const rateUnknown: RetentionRate = { bytesPerSecond: null, lostInMs: null };

/** WAL that may still be written before the slot is gone: the server's `max_slot_wal_keep_size`, or the plan's `retainedWal` where that drops it. Null: unlimited. */
export function bytesUntilLost(slot: SlotSeen, atLimit: 'dropSlot' | 'hold'): number | null {
  if (slot.walStatus === 'lost') return 0;
  const byPlan = atLimit === 'dropSlot' && slot.limitBytes > 0 ? slot.limitBytes - slot.retainedBytes : Infinity;
  const left = Math.min(byPlan, slot.safeBytes ?? Infinity);
  return left === Infinity ? null : Math.max(0, left);
}

/** Two looks that are nearer than this say nothing: the relay acknowledges, and a checkpoint frees, in steps. */
const apartMsMin = 5_000;

/** The growth between two samples, and what it means for the slot at `nowMs` on the clock of the samples. Pure. */
export function retentionRate(
  before: RetainedSample | undefined,
  latest: RetainedSample | undefined,
  nowMs: number,
): RetentionRate {
  if (latest === undefined) return rateUnknown;
  if (latest.leftBytes !== null && latest.leftBytes <= 0)
    return { ...rateUnknown, ...grownBetween(before, latest), lostInMs: 0 };
  const { bytesPerSecond } = grownBetween(before, latest);
  if (bytesPerSecond === null || bytesPerSecond <= 0 || latest.leftBytes === null)
    return { bytesPerSecond, lostInMs: null };
  const inMs = (latest.leftBytes / bytesPerSecond) * 1_000 - (nowMs - latest.atMs);
  return { bytesPerSecond, lostInMs: Math.max(0, Math.round(inMs)) };
}

function grownBetween(
  before: RetainedSample | undefined,
  latest: RetainedSample,
): Pick<RetentionRate, 'bytesPerSecond'> {
  if (before === undefined || before.slot !== latest.slot || latest.atMs - before.atMs < apartMsMin)
    return { bytesPerSecond: null };
  const grown = latest.retainedBytes - before.retainedBytes;
  return { bytesPerSecond: Math.round((grown * 1_000) / (latest.atMs - before.atMs)) };
}

/** Long enough to even out checkpoints and acknowledgements, short enough to follow a load that begins. */
const windowMs = 60_000;

/** The samples to go on with: of this slot alone, the first of them a window ago. */
export function withSample(
  samples: readonly RetainedSample[] | undefined,
  latest: RetainedSample,
): readonly RetainedSample[] {
  const kept = [...(samples ?? []).filter(({ slot }) => slot === latest.slot), latest];
  const from = kept.findLastIndex(({ atMs }) => latest.atMs - atMs >= windowMs);
  return kept.slice(Math.max(0, from));
}
