import type { FencingToken } from '@highwater/kernel';
import type { BlockRange } from '@highwater/sweep';
import type { Access } from '../session/database.js';
import { literal } from '../fill/transaction.js';

/** How long a lease lasts on the server's clock; every chunk renews it. */
export const leaseSeconds = 10;

/** A range lent to one worker. The token moves with every lease: a worker whose lease went to another finds its token stale. */
export interface RangeLease {
  readonly migrationId: string;
  readonly targetNo: number;
  readonly epoch: number;
  readonly pass: number;
  readonly rangeNo: number;
  readonly token: FencingToken;
  /** Of the whole table, from the ranges of pass 0. */
  readonly tableRowsEstimated: number;
  /** A range of blocks; left out: of keys. */
  readonly blocks?: BlockRange;
}

interface LeaseRow extends Record<string, unknown> {
  target_no: number;
  pass: number;
  range_no: number;
  token: string;
  table_rows: string;
  walk: 'keys' | 'blocks';
  lower: string[] | null;
  upper: string[] | null;
  rows: string;
}

/** Takes one open range of the epoch that nobody holds; undefined when there is none. */
export async function leaseRange(
  fill: Access,
  of: { migrationId: string; epoch: number; owner: string; targetNos: readonly number[] },
): Promise<RangeLease | undefined> {
  const [row] = await fill.query<LeaseRow>(
    'leasing a range',
    // materialized: as a plain subquery it may run once per outer row, and every run would lease another range
    `with free as materialized (
       select o.target_no, o.pass, o.range_no from highwater.sweep_range as o
        where o.migration_id = $1 and o.epoch = $2 and not o.done and o.target_no = any($4::int4[])
          and (o.lease_until is null or o.lease_until < clock_timestamp())
        order by o.pass, o.target_no, o.range_no limit 1 for update skip locked
     )
     update highwater.sweep_range as s
        set lease_owner = $3, lease_token = s.lease_token + 1, lease_until = clock_timestamp() + interval '${leaseSeconds} seconds',
            started_at = coalesce(s.started_at, clock_timestamp())
       from free
      where s.migration_id = $1 and s.epoch = $2 and (s.target_no, s.pass, s.range_no) = (free.target_no, free.pass, free.range_no)
      returning s.target_no, s.pass, s.range_no, s.lease_token::text as token, s.walk,
                s.lower_exclusive as lower, s.upper_inclusive as upper, s.rows_estimated::text as rows,
                (select coalesce(sum(t.rows_estimated), 0)::text from highwater.sweep_range as t
                  where t.migration_id = $1 and t.epoch = $2 and t.target_no = s.target_no and t.pass = 0) as table_rows`,
    [of.migrationId, of.epoch, of.owner, of.targetNos],
  );
  if (!row) return undefined;
  return {
    migrationId: of.migrationId,
    epoch: of.epoch,
    targetNo: row.target_no,
    pass: row.pass,
    rangeNo: row.range_no,
    token: row.token as FencingToken,
    tableRowsEstimated: Number(row.table_rows),
    ...(row.walk === 'blocks' ? { blocks: blockRange(row) } : {}),
  };
}

function blockRange({ lower, upper, rows }: LeaseRow): BlockRange {
  const [from, to] = [Number(lower?.[0] ?? 0), Number(upper?.[0] ?? 0)];
  return { from, to, rowsPerBlock: Number(rows) / Math.max(1, to - from) };
}

/** Keeps a lease through a pause. False: it went to another worker. */
export async function renewLease(fill: Access, lease: RangeLease): Promise<boolean> {
  const rows = await fill.query(
    'renewing a lease',
    `update highwater.sweep_range set lease_until = clock_timestamp() + interval '${leaseSeconds} seconds' where ${ownRange(lease)} returning 1`,
  );
  return rows.length === 1;
}

/** Gives the range back at once, so that nobody waits for the lease to end. */
export async function releaseLease(fill: Access, lease: RangeLease): Promise<void> {
  await fill.query(
    'releasing a lease',
    `update highwater.sweep_range set lease_until = null, lease_owner = null where ${ownRange(lease)}`,
  );
}

const rangeKey = (lease: RangeLease): string =>
  `migration_id = ${literal(lease.migrationId)} and target_no = ${lease.targetNo} and epoch = ${lease.epoch} and pass = ${lease.pass} and range_no = ${lease.rangeNo}`;

const ownRange = (lease: RangeLease): string => `${rangeKey(lease)} and lease_token = ${literal(lease.token)}::int8`;

/** Locks the range for the chunk's transaction, before anything is written; no row: the lease is over. */
export const lockRange = (lease: RangeLease): string =>
  `select cursor, upper_inclusive as upper from highwater.sweep_range where ${ownRange(lease)} and not done and lease_until > clock_timestamp() for update`;

/** Moves the cursor and the counts, in the chunk's own transaction. `cursor` null: the range is done. */
export function moveCursor(
  lease: RangeLease,
  moved: { cursor: string | null; scanned: number; filled: number; unfillable: number; contended: number },
): string {
  const end =
    moved.cursor === null
      ? 'done = true, finished_at = clock_timestamp(), lease_until = null'
      : `cursor = ${literal(moved.cursor)}::text[], lease_until = clock_timestamp() + interval '${leaseSeconds} seconds'`;
  return `update highwater.sweep_range set ${end}, rows_scanned = rows_scanned + ${moved.scanned}, rows_filled = rows_filled + ${moved.filled}, rows_unfillable = rows_unfillable + ${moved.unfillable}, rows_contended = rows_contended + ${moved.contended} where ${rangeKey(lease)}`;
}
