import type { Brand } from './brand.js';

/** 64-bit transaction id with epoch (PostgreSQL's `xid8`). Decimal text on the wire. */
export type Xid8 = Brand<bigint, 'Xid8'>;

/**
 * Widens the 32-bit xid of the replication protocol against a recent `pg_current_xact_id()` or
 * `pg_snapshot_xmax(pg_current_snapshot())` of the **same server**. Both lie within 2^31 of each other, so the signed 32-bit
 * difference is exact: `ref + int32(xid32 − low32(ref))`.
 */
export function widenXid(xid32: number, reference: Xid8): Xid8 {
  const low = Number(reference & 0xffffffffn);
  const difference = (xid32 - low) | 0;
  return (reference + BigInt(difference)) as Xid8;
}

export const xid8 = (value: bigint): Xid8 => value as Xid8;
