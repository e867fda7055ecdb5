import { formatBytes } from '@highwater/kernel';
import type { SlotSeen } from './observations.js';

/** Shares of the nearest limit at which somebody should know (G6). */
export type RetentionMark = 0 | 75 | 90;

export interface RetentionAlarm {
  readonly mark: RetentionMark;
  /** Of the nearest limit; null: there is none. */
  readonly percent: number | null;
  readonly limitBytes: number | null;
  readonly message: string;
}

/** The nearer of the plan's `retainedWal` and the server's `max_slot_wal_keep_size`. Pure. */
export function retentionAlarm(slot: SlotSeen): RetentionAlarm {
  const plan = slot.limitBytes > 0 ? slot.limitBytes : null;
  const server = slot.safeBytes === null ? null : slot.retainedBytes + Math.max(0, slot.safeBytes);
  const ofServer = server !== null && (plan === null || server < plan);
  const limitBytes = ofServer ? server : plan;
  const retained = formatBytes(BigInt(Math.round(slot.retainedBytes)));
  if (limitBytes === null) return { mark: 0, percent: null, limitBytes, message: `The slot retains ${retained}` };
  const percent = Math.floor((slot.retainedBytes / Math.max(1, limitBytes)) * 100);
  const mark = percent >= 90 ? 90 : percent >= 75 ? 75 : 0;
  const limit = formatBytes(BigInt(Math.round(limitBytes)));
  const of = ofServer ? `${limit} that the server keeps (max_slot_wal_keep_size)` : `${limit} that the plan allows`;
  const size = `The slot retains ${retained} of ${of} (${percent}%)`;
  return { mark, percent, limitBytes, message: mark === 0 ? size : `${size}: ${cause(slot)}` };
}

function cause({ active, behindBytes, holder, retainedBytes }: SlotSeen): string {
  const behind = formatBytes(BigInt(Math.round(behindBytes ?? 0)));
  if (!active) return 'no relay reads it; start one';
  if ((behindBytes ?? 0) * 2 >= retainedBytes) return `the relay is ${behind} behind; see whether it and Kafka keep up`;
  return holder
    ? `an open transaction keeps it: ${holder}; end it, or wait`
    : `the relay is ${behind} behind and no open transaction was found; the next checkpoint may free it`;
}
