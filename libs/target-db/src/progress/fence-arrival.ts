import type { Access } from '../session/database.js';

/**
 * Stores that everything before a fence in one partition has its answer. A token that is unknown, or of another epoch, partition count or topic, is void:
 * nothing is stored.
 *
 * @returns true when the fence counts.
 */
export async function recordFenceArrival(
  fill: Access,
  arrival: {
    migrationId: string;
    token: string;
    partition: number;
    epoch: number;
    partitions: number;
    topicId: string;
  },
): Promise<boolean> {
  const rows = await fill.query(
    'recording the arrival of a fence',
    `insert into highwater.fence_arrival (token, partition)
     select f.token, $3 from highwater.fence as f
      where f.token = $1 and f.migration_id = $2 and f.epoch = $4 and f.partitions = $5 and f.topic_id = $6
     on conflict (token, partition) do update set partition = excluded.partition returning 1`,
    [arrival.token, arrival.migrationId, arrival.partition, arrival.epoch, arrival.partitions, arrival.topicId],
  );
  return rows.length > 0;
}
