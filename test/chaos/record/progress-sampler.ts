import type { ProgressSample, ReadinessSample, SeenFence } from '../checker/history.js';
import { again, Reconnecting, type Looped } from './looped.js';

const everyMs = 200;

/**
 * What the product says of itself: progress, readiness, fences. Fences are forgotten after a while, arrivals first: of each is kept what
 * was seen when most of its arrivals were there, or a fence that came back would look as if it never had.
 */
export function sampleProgress(
  url: string,
  migration: string,
): Looped & {
  readonly progress: ProgressSample[];
  readonly readiness: ReadinessSample[];
  readonly fences: Map<string, SeenFence>;
} {
  const progress: ProgressSample[] = [];
  const readiness: ReadinessSample[] = [];
  const fences = new Map<string, SeenFence>();
  const admin = new Reconnecting(url, 'chaos sampler');
  const loop = again(everyMs, async () => {
    const counters = await admin.query<{ name: string; value: number }>(
      `select format('scanned %s/%s/%s', epoch, target_no, pass) as name, sum(rows_scanned)::float8 as value
         from highwater.sweep_range where migration_id = $1 group by 1
       union all select format('live %s', target_no), sum(filled)::float8 from highwater.fill_tally where migration_id = $1 group by 1
       union all select 'bridged', coalesce(sum(statements), 0)::float8 from highwater.bridge_use where migration_id = $1`,
      [migration],
    );
    progress.push({ at: Date.now(), counters: Object.fromEntries(counters.map(({ name, value }) => [name, value])) });
    const evaluated = await admin.query<{ readiness: Omit<ReadinessSample, 'at'> | null }>(
      `select readiness from highwater.migration where id = $1`,
      [migration],
    );
    const last = evaluated[0]?.readiness;
    if (last) readiness.push({ ...last, at: Date.now() });
    for (const { token, ...fence } of await readFences(admin, migration)) {
      if (fence.arrived >= (fences.get(token)?.arrived ?? 0)) fences.set(token, fence);
    }
  });
  return {
    progress,
    readiness,
    fences,
    async stop() {
      await loop.stop();
      await admin.end();
    },
  };
}

const readFences = (admin: Reconnecting, migration: string): Promise<(SeenFence & { token: string })[]> =>
  admin.query<SeenFence & { token: string }>(
    `select f.token, f.epoch, (extract(epoch from f.written_at) * 1000)::float8 as "writtenAt", f.partitions,
            count(a.partition)::int as arrived, (extract(epoch from max(a.arrived_at)) * 1000)::float8 as "lastArrivalAt"
       from highwater.fence f left join highwater.fence_arrival a on a.token = f.token where f.migration_id = $1 group by f.token`,
    [migration],
  );
