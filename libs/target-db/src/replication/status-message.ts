import type { Lsn } from '@highwater/kernel';

/** Unix time of 2000-01-01 00:00 UTC in milliseconds: the protocol counts microseconds from there. */
const postgresEpochMs = 946_684_800_000;

/**
 * Standby status update with one exact position for written, flushed and applied
 * (https://www.postgresql.org/docs/current/protocol-replication.html). The library sends LSN + 1, which skips the next transaction
 * after a restart when two commits are adjacent; the position sent here is the commit's end, the first byte not yet needed.
 */
export function statusMessage(acknowledged: Lsn, nowMs: number, replyWanted = false): Buffer {
  const message = Buffer.alloc(34);
  message.writeUInt8(0x72, 0); // 'r'
  message.writeBigUInt64BE(acknowledged, 1);
  message.writeBigUInt64BE(acknowledged, 9);
  message.writeBigUInt64BE(acknowledged, 17);
  message.writeBigInt64BE(BigInt(Math.round(nowMs - postgresEpochMs)) * 1_000n, 25);
  message.writeUInt8(replyWanted ? 1 : 0, 33);
  return message;
}
