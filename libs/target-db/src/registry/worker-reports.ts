import type { Access } from '../session/database.js';

/** What one worker says of itself; the control process, which may run elsewhere, shows it. */
export interface WorkerReport {
  readonly migrationId: string;
  readonly role: string;
  readonly state: string;
  readonly reason: string;
  readonly message: string;
  readonly since: string;
  /** Sweepers alone. */
  readonly rowsPerSecond: number | null;
  readonly chunkRows: number | null;
}

export interface SeenWorker extends Omit<WorkerReport, 'migrationId'> {
  readonly instance: string;
  readonly seenAt: string;
}

/** An instance that reports no more says nothing after a few reports were missed. */
const reportAgeSecondsMax = 5;

/** All workers of one instance; those it no longer has are forgotten, and instances that were killed after a minute. */
export async function saveWorkerReports(
  state: Access,
  instance: string,
  reports: readonly WorkerReport[],
): Promise<void> {
  await state.query(
    'reporting what the workers do',
    `with r as (
       select * from jsonb_to_recordset($2::jsonb) as r ("migrationId" text, role text, state text, reason text, message text,
                                                         since timestamptz, "rowsPerSecond" double precision, "chunkRows" integer)
     ), gone as (
       delete from highwater.worker_report as w
        where w.seen_at < clock_timestamp() - interval '1 minute'
           or (w.instance = $1 and not exists (select from r where (r."migrationId", r.role) = (w.migration_id, w.role)))
     )
     insert into highwater.worker_report as w (instance, migration_id, role, state, reason, message, since, rows_per_second, chunk_rows)
     select $1, "migrationId", role, state, reason, message, since, "rowsPerSecond", "chunkRows" from r
     on conflict (instance, migration_id, role) do update
        set state = excluded.state, reason = excluded.reason, message = excluded.message, since = excluded.since,
            rows_per_second = excluded.rows_per_second, chunk_rows = excluded.chunk_rows, seen_at = clock_timestamp()`,
    [instance, JSON.stringify(reports)],
  );
}

/** Who works on a migration now, in all processes. */
export async function readWorkers(state: Access, migrationId: string): Promise<SeenWorker[]> {
  const rows = await state.query<{
    instance: string;
    role: string;
    state: string;
    reason: string;
    message: string;
    since: Date;
    rows_per_second: number | null;
    chunk_rows: number | null;
    seen_at: Date;
  }>(
    'reading what the workers do',
    `select instance, role, state, reason, message, since, rows_per_second, chunk_rows, seen_at from highwater.worker_report
      where migration_id = $1 and seen_at > clock_timestamp() - interval '${reportAgeSecondsMax} seconds' order by role, instance`,
    [migrationId],
  );
  return rows.map((row) => ({
    instance: row.instance,
    role: row.role,
    state: row.state,
    reason: row.reason,
    message: row.message,
    since: row.since.toISOString(),
    rowsPerSecond: row.rows_per_second,
    chunkRows: row.chunk_rows,
    seenAt: row.seen_at.toISOString(),
  }));
}
