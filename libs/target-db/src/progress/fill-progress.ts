import type { Access } from '../session/database.js';

/** Counts of one target, rows; what the status shows. */
export interface TargetProgress {
  readonly targetNo: number;
  readonly filled: { readonly sweep: number; readonly live: number; readonly tailPass: number };
  readonly rowsScanned: number;
  readonly rowsEstimated: number;
  readonly openRanges: number;
  readonly doneRanges: number;
  /** Highest pass of the epoch that exists; −1: no range yet. */
  readonly pass: number;
  readonly hints: Readonly<Record<'already' | 'gone' | 'unfillable' | 'contended' | 'parked' | 'dead_letter', number>>;
  /** Open entries by reason. */
  readonly unfillable: Readonly<Record<string, number>>;
}

interface ProgressRow extends Record<string, unknown> {
  target_no: number;
  sweep: string;
  tail_pass: string;
  scanned: string;
  estimated: string;
  open_ranges: number;
  done_ranges: number;
  pass: number;
  live: string;
  hints: Record<string, number> | null;
  unfillable: Record<string, number> | null;
}

/**
 * Progress of every target with a range, a tally or an unfillable row. Filled counts are of all epochs; ranges and estimate of the given one.
 */
export async function readFillProgress(state: Access, migrationId: string, epoch: number): Promise<TargetProgress[]> {
  const rows = await state.query<ProgressRow>('reading progress', progressText, [migrationId, epoch]);
  return rows.map((row) => {
    const hint = (name: string): number => Number(row.hints?.[name] ?? 0);
    return {
      targetNo: row.target_no,
      filled: { sweep: Number(row.sweep), live: Number(row.live), tailPass: Number(row.tail_pass) },
      rowsScanned: Number(row.scanned),
      rowsEstimated: Number(row.estimated),
      openRanges: row.open_ranges,
      doneRanges: row.done_ranges,
      pass: row.pass,
      hints: {
        already: hint('already'),
        gone: hint('gone'),
        unfillable: hint('unfillable'),
        contended: hint('contended'),
        parked: hint('parked'),
        dead_letter: hint('dead_letter'),
      },
      unfillable: row.unfillable ?? {},
    };
  });
}

const progressText = `
with ranges as (
  select target_no,
         coalesce(sum(rows_filled) filter (where pass = 0), 0) as sweep,
         coalesce(sum(rows_filled) filter (where pass > 0), 0) as tail_pass,
         coalesce(sum(rows_scanned) filter (where pass = 0 and epoch = $2), 0) as scanned,
         coalesce(sum(rows_estimated) filter (where pass = 0 and epoch = $2), 0) as estimated,
         (count(*) filter (where epoch = $2 and not done))::int4 as open_ranges,
         (count(*) filter (where epoch = $2 and done))::int4 as done_ranges,
         coalesce(max(pass) filter (where epoch = $2), -1)::int4 as pass
    from highwater.sweep_range where migration_id = $1 group by target_no
), live as (
  select target_no, sum(filled) as filled,
         jsonb_build_object('already', sum(already), 'gone', sum(gone), 'unfillable', sum(unfillable), 'contended', sum(contended),
                            'parked', sum(parked), 'dead_letter', sum(dead_letter)) as hints
    from highwater.fill_tally where migration_id = $1 group by target_no
), unfillable as (
  select target_no, jsonb_object_agg(reason, n) as reasons
    from (select target_no, reason, count(*) as n from highwater.unfillable_row
           where migration_id = $1 and closed_at is null group by 1, 2) as u group by target_no
), targets as (
  select target_no from ranges union select target_no from live union select target_no from unfillable
)
select t.target_no, coalesce(r.sweep, 0)::text as sweep, coalesce(r.tail_pass, 0)::text as tail_pass, coalesce(r.scanned, 0)::text as scanned,
       coalesce(r.estimated, 0)::text as estimated, coalesce(r.open_ranges, 0) as open_ranges, coalesce(r.done_ranges, 0) as done_ranges,
       coalesce(r.pass, -1) as pass, coalesce(l.filled, 0)::text as live, l.hints, u.reasons as unfillable
  from targets as t left join ranges as r using (target_no) left join live as l using (target_no) left join unfillable as u using (target_no)
 order by t.target_no`;

/** Sum of open ranges of the epoch, all targets: 0 means the passes that exist are complete. */
export const openRanges = (progress: readonly TargetProgress[]): number =>
  progress.reduce((sum, target) => sum + target.openRanges, 0);
