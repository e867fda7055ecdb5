import type { Access } from '../session/database.js';

/** One DDL step as recorded; times in ms, measured by the server. */
export interface RecordedDdlStep {
  readonly targetNo: number | null;
  readonly step: string;
  readonly lockMode: string;
  readonly attempts: number;
  readonly lockWaitMs: number;
  readonly heldMs: number;
  readonly at: string;
}

export async function readDdlSteps(state: Access, migrationId: string): Promise<RecordedDdlStep[]> {
  const rows = await state.query<{
    target_no: number | null;
    step: string;
    lock_mode: string;
    attempts: number;
    lock_wait_ms: number;
    held_ms: number;
    at: Date;
  }>(
    'reading DDL steps',
    `select target_no, step, lock_mode, attempts, lock_wait_ms, held_ms, at from highwater.ddl_step where migration_id = $1 order by step_no`,
    [migrationId],
  );
  return rows.map((row) => ({
    targetNo: row.target_no,
    step: row.step,
    lockMode: row.lock_mode,
    attempts: row.attempts,
    lockWaitMs: row.lock_wait_ms,
    heldMs: row.held_ms,
    at: row.at.toISOString(),
  }));
}
