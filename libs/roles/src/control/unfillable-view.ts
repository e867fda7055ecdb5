import type { TargetState } from '@highwater/migration';
import type { ControlContext } from './context.js';
import type { Page, UnfillableFilter, UnfillableRowView } from './port.js';
import { targetsNamed } from './targets-named.js';

/** Open entries, oldest first. Keys only: never another value of the row. */
export async function listUnfillable(
  context: ControlContext,
  migrationId: string,
  targets: readonly TargetState[],
  page: Page & UnfillableFilter,
): Promise<readonly UnfillableRowView[]> {
  const rows = await context.database.state.query<{
    target_no: number;
    key: string[];
    reason: string;
    sqlstate: string | null;
    constraint_name: string | null;
    attempts: number;
    first_seen: Date;
    last_seen: Date;
  }>(
    'listing unfillable rows',
    `select target_no, key, reason, sqlstate, constraint_name, attempts, first_seen, last_seen
       from (select target_no, key, reason, sqlstate, constraint_name, attempts, first_seen, last_seen from highwater.unfillable_row
              where migration_id = $1 and closed_at is null
             union all /* filled rows that keep a unique index of the plan from being built */
             select target_no, key, 'UniqueConflict', '23505', index_name, 1, found_at, found_at from highwater.index_collision where migration_id = $1) as u
      where target_no = any($4::int[]) and ($5::text is null or reason = $5)
      order by first_seen, target_no, key limit $2 offset $3`,
    [
      migrationId,
      Math.min(page.limit, 1_000),
      page.offset,
      targetsNamed(migrationId, targets, page.table),
      page.reason ?? null,
    ],
  );
  return rows.map((row) => ({
    table: targets[row.target_no]?.table ?? String(row.target_no),
    target: targets[row.target_no]?.target ?? '',
    key: row.key,
    reason: row.reason,
    sqlstate: row.sqlstate,
    constraint: row.constraint_name,
    attempts: row.attempts,
    firstSeen: row.first_seen.toISOString(),
    lastSeen: row.last_seen.toISOString(),
  }));
}
