import { rangeCount, splitRanges, type SweepRange } from '@highwater/sweep';
import { leaves, withMembers } from '../catalog/members.js';
import type { Access } from '../session/database.js';
import type { FillTarget } from '../target.js';
import { keyLiteral } from '../fill/key-text.js';
import { lastKey, sampleKeys } from '../fill/statements.js';

/** Pages read to find split points and to estimate the rows. */
const samplePages = 1_000;
const samplesWanted = 1_000;

/** A new sweep of one target: pass 0 of an epoch. */
export interface SweepSettings {
  readonly epoch: number;
  readonly workers: number;
  readonly chunkRowsMax: number;
}

/**
 * Reads where history ends **now** (call it only after the slot was returned), splits it at sampled keys and stores the ranges. An empty
 * table gets none. Asked again, it answers what is stored.
 *
 * @returns ranges and estimated rows of the table.
 */
export async function createRanges(
  fill: Access,
  target: FillTarget,
  settings: SweepSettings,
): Promise<{ ranges: number; rowsEstimated: number }> {
  const stored = await storedRanges(fill, target, settings.epoch);
  if (stored.ranges > 0) return stored;
  const key = (row: Record<string, unknown>): string[] => target.derivation.key.map((_, i) => String(row[`k${i}`]));
  const [last] = await fill.query('reading where history ends', lastKey(target));
  if (!last) return { ranges: 0, rowsEstimated: 0 };
  const upper = key(last);
  const percent = await samplePercent(fill, target);
  const sampled = await fill.query('sampling keys', sampleKeys(target), [percent, samplesWanted, ...upper]);
  const rowsEstimated = Math.max(1, Math.round((Number(sampled[0]?.['rows'] ?? 1) * 100) / percent));
  const count = rangeCount({ rowsEstimated, workers: settings.workers, chunkRowsMax: settings.chunkRowsMax });
  const ranges = splitRanges({ samples: sampled.map(key), upper, count, rowsEstimated });
  await store(fill, target, settings.epoch, ranges);
  return storedRanges(fill, target, settings.epoch);
}

async function samplePercent(fill: Access, target: FillTarget): Promise<number> {
  const [row] = await fill.query<{ pages: string }>(
    'reading the size of a table',
    `${withMembers('array[$1::oid]')}
     select coalesce(sum(pg_relation_size(leaf.relid)), 0) / current_setting('block_size')::int8 as pages from ${leaves} as leaf`,
    [target.derivation.table.relid],
  );
  const pages = Number(row?.pages ?? 0);
  return pages <= samplePages ? 100 : Math.max(0.01, (samplePages * 100) / pages);
}

async function store(fill: Access, target: FillTarget, epoch: number, ranges: readonly SweepRange[]): Promise<void> {
  await fill.query(
    'storing the ranges of the sweep',
    `insert into highwater.sweep_range (migration_id, target_no, epoch, pass, range_no, lower_exclusive, upper_inclusive, cursor, rows_estimated)
     select $1, $2, $3, 0, n.range_no, n.lower::text[], n.upper::text[], n.lower::text[], n.rows
       from rows from (unnest($4::int4[]), unnest($5::text[]), unnest($6::text[]), unnest($7::int8[])) as n (range_no, lower, upper, rows)
     on conflict do nothing`,
    [
      target.migrationId,
      target.targetNo,
      epoch,
      ranges.map((range) => range.rangeNo),
      ranges.map((range) => range.lowerExclusive && keyLiteral(range.lowerExclusive)),
      ranges.map((range) => range.upperInclusive && keyLiteral(range.upperInclusive)),
      ranges.map((range) => String(range.rowsEstimated)),
    ],
  );
}

async function storedRanges(
  fill: Access,
  target: FillTarget,
  epoch: number,
): Promise<{ ranges: number; rowsEstimated: number }> {
  const [row] = await fill.query<{ ranges: number; rows: string }>(
    'reading the ranges of the sweep',
    `select count(*)::int4 as ranges, coalesce(sum(rows_estimated), 0)::text as rows from highwater.sweep_range
      where migration_id = $1 and target_no = $2 and epoch = $3 and pass = 0`,
    [target.migrationId, target.targetNo, epoch],
  );
  return { ranges: row?.ranges ?? 0, rowsEstimated: Number(row?.rows ?? 0) };
}

/**
 * One unbounded range over what is still NULL, the unfillable rows included.
 *
 * @param pass 1, 2, …; asked again for the same pass, nothing happens.
 */
export async function createTailPass(
  fill: Access,
  target: FillTarget,
  of: { epoch: number; pass: number; rowsEstimated?: number },
): Promise<void> {
  await fill.query(
    'storing a tail pass',
    `insert into highwater.sweep_range (migration_id, target_no, epoch, pass, range_no, rows_estimated)
     values ($1, $2, $3, $4, 0, $5) on conflict do nothing`,
    [target.migrationId, target.targetNo, of.epoch, of.pass, Math.max(0, Math.round(of.rowsEstimated ?? 0))],
  );
}
