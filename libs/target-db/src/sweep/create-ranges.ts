import { hasKey } from '@highwater/derivation';
import { rangeCount, splitBlocks, splitRanges, type SweepRange } from '@highwater/sweep';
import { leaves, withMembers } from '../catalog/members.js';
import type { Access } from '../session/database.js';
import type { FillTarget } from '../target.js';
import { keyLiteral } from '../fill/key-text.js';
import { countSample, lastKey, sampleKeys } from '../fill/statements.js';
import { readSweepFacts } from './row-naming.js';

/** Pages read to find split points and to estimate the rows. */
const samplePages = 1_000;
const samplesWanted = 1_000;
/** Smaller tables are swept by their key: rounds over a few pages would be too close together. */
const blocksMin = 128;

/** A new sweep of one target: pass 0 of an epoch. */
export interface SweepSettings {
  readonly epoch: number;
  readonly workers: number;
  readonly chunkRowsMax: number;
  /** Left out: blocks where the table has pages of its own and enough of them, else keys. */
  readonly walk?: 'keys' | 'blocks';
}

/**
 * Reads where history ends **now** (call it only after the slot was returned), splits it and stores the ranges. An empty table gets none.
 * Asked again, it answers what is stored. By blocks history ends with the last block; a row that the application moves behind it is the tail
 * pass's.
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
  const pages = await readPages(fill, target);
  const percent = pages <= samplePages ? 100 : Math.max(0.01, (samplePages * 100) / pages);
  const small = pages < blocksMin && hasKey(target.derivation);
  const walk = settings.walk ?? (!small && (await hasBlocks(fill, target)) ? 'blocks' : 'keys');
  const make = walk === 'blocks' ? blockRanges(pages) : keyRanges;
  await store(fill, target, settings.epoch, walk, await make(fill, target, settings, percent));
  return storedRanges(fill, target, settings.epoch);
}

type MakeRanges = (
  fill: Access,
  target: FillTarget,
  settings: SweepSettings,
  percent: number,
) => Promise<readonly SweepRange[]>;

const keyRanges: MakeRanges = async (fill, target, settings, percent) => {
  const key = (row: Record<string, unknown>): string[] => target.derivation.key.map((_, i) => String(row[`k${i}`]));
  const [last] = await fill.query('reading where history ends', lastKey(target));
  if (!last) return [];
  const upper = key(last);
  const sampled = await fill.query('sampling keys', sampleKeys(target), [percent, samplesWanted, ...upper]);
  const rowsEstimated = estimate(sampled[0]?.['rows'] ?? 1, percent);
  return splitRanges({
    samples: sampled.map(key),
    upper,
    count: rangeCount({ ...settings, rowsEstimated }),
    rowsEstimated,
  });
};

const blockRanges =
  (pages: number): MakeRanges =>
  async (fill, target, settings, percent) => {
    if (pages === 0) return [];
    const [sampled] = await fill.query('sampling rows', countSample(target), [percent]);
    const rowsEstimated = estimate(sampled?.['rows'], percent);
    return splitBlocks({ blocks: pages, count: rangeCount({ ...settings, rowsEstimated }), rowsEstimated });
  };

const estimate = (rows: unknown, percent: number): number => Math.max(1, Math.round((Number(rows) * 100) / percent));

const hasBlocks = async (fill: Access, target: FillTarget): Promise<boolean> =>
  (await readSweepFacts(fill, target)).naming === 'ctid';

async function readPages(fill: Access, target: FillTarget): Promise<number> {
  const [row] = await fill.query<{ pages: string }>(
    'reading the size of a table',
    `${withMembers('array[$1::oid]')}
     select coalesce(sum(pg_relation_size(leaf.relid)), 0) / current_setting('block_size')::int8 as pages from ${leaves} as leaf`,
    [target.derivation.table.relid],
  );
  return Number(row?.pages ?? 0);
}

async function store(
  fill: Access,
  target: FillTarget,
  epoch: number,
  walk: 'keys' | 'blocks',
  ranges: readonly SweepRange[],
): Promise<void> {
  await fill.query(
    'storing the ranges of the sweep',
    `insert into highwater.sweep_range (migration_id, target_no, epoch, pass, range_no, lower_exclusive, upper_inclusive, cursor, rows_estimated, walk)
     select $1, $2, $3, 0, n.range_no, n.lower::text[], n.upper::text[], case $8 when 'keys' then n.lower::text[] end, n.rows, $8
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
      walk,
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

/** Passes that are told one by one. */
const passesKept = 20;

/**
 * One unbounded range over what is still NULL, the unfillable rows included. Passes long over are one row with their sums: while rows wait for a
 * repair there is one a minute for weeks, and everybody who asks for the progress reads all of them.
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
  await fill.query(
    'summing up old tail passes',
    `with kept as (
       select min(pass) as pass from highwater.sweep_range
        where migration_id = $1 and target_no = $2 and epoch = $3 and pass > greatest(0, $4::int4 - $5::int4) and done
     ), old as (
       delete from highwater.sweep_range as s using kept
        where s.migration_id = $1 and s.target_no = $2 and s.epoch = $3 and s.pass > 0 and s.pass < kept.pass and s.done
       returning s.rows_scanned, s.rows_filled, s.rows_unfillable, s.rows_contended
     ), summed as (
       select sum(rows_scanned)::int8 as scanned, sum(rows_filled)::int8 as filled, sum(rows_unfillable)::int8 as unfillable,
              sum(rows_contended)::int8 as contended from old having count(*) > 0
     )
     update highwater.sweep_range as s
        set rows_scanned = s.rows_scanned + summed.scanned, rows_filled = s.rows_filled + summed.filled,
            rows_unfillable = s.rows_unfillable + summed.unfillable, rows_contended = s.rows_contended + summed.contended
       from summed, kept where s.migration_id = $1 and s.target_no = $2 and s.epoch = $3 and s.pass = kept.pass and s.range_no = 0`,
    [target.migrationId, target.targetNo, of.epoch, of.pass, passesKept],
  );
}
