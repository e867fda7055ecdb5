import type { Access, Client } from '../session/database.js';

export type RolledBackWhat = 'values' | 'entities';

/** Where the rollback of one target's values, or of one entity of the plan, stands. */
export interface RollbackProgress {
  readonly what: RolledBackWhat;
  /** Index in the plan's `tables` or `entities`. */
  readonly no: number;
  readonly undone: number;
  readonly kept: number;
  readonly done: boolean;
}

/** Begins it, or finds it begun. */
export async function beginRollback(
  fill: Access,
  migrationId: string,
  what: RolledBackWhat,
  nos: readonly number[],
): Promise<void> {
  await fill.query(
    'starting to take back',
    `insert into highwater.rollback_progress (migration_id, what, no) select $1, $2, n from unnest($3::int[]) as n on conflict do nothing`,
    [migrationId, what, nos],
  );
}

export async function readRollbackProgress(access: Access, migrationId: string): Promise<RollbackProgress[]> {
  const rows = await access.query<{ what: RolledBackWhat; no: number; undone: string; kept: string; done: boolean }>(
    'reading how far a rollback is',
    `select what, no, undone, kept, done from highwater.rollback_progress where migration_id = $1 order by what desc, no`,
    [migrationId],
  );
  return rows.map((row) => ({ ...row, undone: Number(row.undone), kept: Number(row.kept) }));
}

/** Locked, so that of two processes that think they lead only one counts a page. */
export async function lockRollback(
  client: Client,
  migrationId: string,
  what: RolledBackWhat,
  no: number,
): Promise<{ cursor: string[] | null; done: boolean } | undefined> {
  const { rows } = await client.query<{ cursor: string[] | null; done: boolean }>(
    `select cursor, done from highwater.rollback_progress where migration_id = $1 and what = $2 and no = $3 for update`,
    [migrationId, what, no],
  );
  return rows[0];
}

/** In the commit of the page. */
export async function moveRollback(
  client: Client,
  migrationId: string,
  what: RolledBackWhat,
  no: number,
  /** The cursor as elements or as the server's own text. */
  moved: { cursor: readonly string[] | string | null; undone: number; kept: number; done: boolean },
): Promise<void> {
  await client.query(
    `update highwater.rollback_progress set cursor = $4::text[], undone = undone + $5, kept = kept + $6, done = $7
      where migration_id = $1 and what = $2 and no = $3`,
    [migrationId, what, no, moved.cursor, moved.undone, moved.kept, moved.done],
  );
}
