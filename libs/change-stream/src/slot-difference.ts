import { formatLsn, type Lsn } from '@highwater/kernel';
import type { BrokenStream, StreamInfo } from './stream-info.js';

/** What was recorded of a slot before each acknowledgement, and what this relay itself acknowledged in its life. */
export interface SlotRecord {
  /** Null: nothing is recorded, so nothing can be compared. */
  readonly acknowledgedLsn: Lsn | null;
  readonly timeline: number | null;
  readonly acknowledgedHere: Lsn;
}

export interface SlotFound {
  /** Null: the slot is gone; the connection says so itself. */
  readonly confirmedLsn: Lsn | null;
  readonly timeline: number;
  /** Where the server's WAL ended when we connected. */
  readonly walEnd: Lsn;
}

/**
 * A slot that stands behind its record only sends again. One that stands ahead of it was moved by somebody else, and what lies between
 * is never sent; on another history (failover, restore) rows and fills that we knew may be gone, and hints of it are acknowledged.
 */
export function slotDifference(
  { slot }: StreamInfo,
  record: SlotRecord,
  { confirmedLsn, timeline, walEnd }: SlotFound,
): BrokenStream | undefined {
  if (record.timeline !== null && record.timeline !== timeline)
    return {
      reason: 'HistoryChanged',
      message: `the server follows timeline ${timeline}, slot ${slot} was read on timeline ${record.timeline}: a failover or a restore; what it did not take over is found by a new sweep`,
    };
  if (walEnd < record.acknowledgedHere)
    return {
      reason: 'HistoryChanged',
      message: `the server's WAL ends at ${formatLsn(walEnd)}, before ${formatLsn(record.acknowledgedHere)}, which was read and acknowledged: it was restored from an older state`,
    };
  if (record.acknowledgedLsn !== null && confirmedLsn !== null && confirmedLsn > record.acknowledgedLsn)
    return {
      reason: 'SlotAdvanced',
      message: `slot ${slot} stands at ${formatLsn(confirmedLsn)}, acknowledged by us was ${formatLsn(record.acknowledgedLsn)}: somebody advanced it, and what lies between was never sent`,
    };
  return undefined;
}
