import type { Access } from '../session/database.js';

/** A fence as it stands: reached when every partition has answered. */
export interface FenceFacts {
  readonly token: string;
  readonly epoch: number;
  readonly purpose: string;
  readonly partitions: number;
  readonly topicId: string;
  readonly writtenAt: Date;
  readonly arrived: readonly number[];
  readonly lastArrivalAt: Date | null;
  readonly ageMs: number;
}

/** Recorded before its message is written into WAL, so that an arrival never meets an unknown token. */
export async function recordFence(
  state: Access,
  fence: { token: string; migrationId: string; epoch: number; partitions: number; topicId: string; purpose: string },
): Promise<void> {
  await state.query(
    'recording a fence',
    `insert into highwater.fence (token, migration_id, epoch, partitions, topic_id, purpose) values ($1, $2, $3, $4, $5, $6)`,
    [fence.token, fence.migrationId, fence.epoch, fence.partitions, fence.topicId, fence.purpose],
  );
}

interface FenceRow extends Record<string, unknown> {
  token: string;
  epoch: number;
  purpose: string;
  partitions: number;
  topic_id: string;
  written_at: Date;
  arrived: number[];
  last_arrival_at: Date | null;
  age_ms: string;
}

/** The newest fence of a migration, or one by token. */
export async function readFence(
  state: Access,
  migrationId: string,
  token: string | null = null,
): Promise<FenceFacts | undefined> {
  const rows = await state.query<FenceRow>(
    'reading a fence',
    `select f.token, f.epoch, f.purpose, f.partitions, f.topic_id, f.written_at,
            coalesce(array_agg(a.partition order by a.partition) filter (where a.partition is not null), '{}') as arrived,
            max(a.arrived_at) as last_arrival_at,
            extract(epoch from clock_timestamp() - f.written_at) * 1000 as age_ms
       from highwater.fence f left join highwater.fence_arrival a on a.token = f.token
      where f.migration_id = $1 and ($2::text is null or f.token = $2)
      group by f.token order by f.written_at desc limit 1`,
    [migrationId, token],
  );
  const row = rows[0];
  if (!row) return undefined;
  return {
    token: row.token,
    epoch: row.epoch,
    purpose: row.purpose,
    partitions: row.partitions,
    topicId: row.topic_id,
    writtenAt: row.written_at,
    arrived: row.arrived,
    lastArrivalAt: row.last_arrival_at,
    ageMs: Number(row.age_ms),
  };
}

/** How long the oldest fence of an epoch that has not come back, and was not overtaken by one that has, is under way. */
export async function readFenceWaitMs(state: Access, migrationId: string, epoch: number): Promise<number | null> {
  const rows = await state.query<{ waited_ms: string | null }>(
    'reading how long fences are under way',
    `with f as (
       select f.written_at, count(a.partition) >= f.partitions as reached
         from highwater.fence f left join highwater.fence_arrival a on a.token = f.token
        where f.migration_id = $1 and f.epoch = $2 group by f.token
     )
     select extract(epoch from clock_timestamp() - min(written_at)) * 1000 as waited_ms from f
      where not reached and written_at > coalesce((select max(written_at) from f where reached), '-infinity')`,
    [migrationId, epoch],
  );
  const waited = rows[0]?.waited_ms ?? null;
  return waited === null ? null : Number(waited);
}

/** Fences are asked for every few seconds; only the newest few are evidence. */
export async function forgetOldFences(state: Access, migrationId: string, keep = 20): Promise<void> {
  await state.query(
    'forgetting old fences',
    `with old as (select token from highwater.fence where migration_id = $1 order by written_at desc offset $2),
          gone as (delete from highwater.fence_arrival a using old where a.token = old.token)
     delete from highwater.fence f using old where f.token = old.token and not exists (select from highwater.fence_arrival a where a.token = f.token)`,
    [migrationId, keep],
  );
}
