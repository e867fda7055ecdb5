import type { CatalogSample } from '../checker/history.js';
import { parseLsn } from '../checker/stream.js';
import { again, Reconnecting, type Looped } from './looped.js';

const everyMs = 50;

const look = `
select (select coalesce(json_agg(json_build_object('name', slot_name, 'acknowledged', confirmed_flush_lsn::text)), '[]') from pg_replication_slots
         where slot_name like 'hw\\_%' and database = current_database() and confirmed_flush_lsn is not null) as slots,
       (select coalesce(json_agg(pubname), '[]') from pg_publication where pubname like 'hw\\_%') as publications,
       (select count(*)::int from pg_stat_activity where application_name like 'highwater/%' and datname = current_database()) as connections,
       (select coalesce(json_agg(json_build_object('by', application_name, 'ms', extract(epoch from clock_timestamp() - state_change) * 1000)), '[]')
          from pg_stat_activity where application_name like 'highwater/%' and datname = current_database() and state = 'idle in transaction') as idle,
       (select coalesce(json_agg(json_build_object('by', w.application_name, 'for', b.application_name,
                 'kind', case when l.locktype = 'relation' then 'table' else 'row' end,
                 'ms', extract(epoch from clock_timestamp() - l.waitstart) * 1000)), '[]')
          from pg_locks l join pg_stat_activity w on w.pid = l.pid
          cross join lateral unnest(pg_blocking_pids(l.pid)) as blocking (pid) join pg_stat_activity b on b.pid = blocking.pid
         where not l.granted and l.waitstart is not null and w.datname = current_database()
           and w.application_name like 'application%' and b.application_name like 'highwater/%') as waits`;

interface Row {
  readonly slots: { readonly name: string; readonly acknowledged: string }[];
  readonly publications: string[];
  readonly connections: number;
  readonly idle: CatalogSample['idleInTransaction'];
  readonly waits: CatalogSample['waits'];
}

/** Slots, publications, sessions and waits, twenty times a second. The time of a sample is after it was taken. */
export function sampleCatalog(url: string): Looped & { readonly samples: CatalogSample[] } {
  const samples: CatalogSample[] = [];
  const admin = new Reconnecting(url, 'chaos sampler');
  const loop = again(everyMs, async () => {
    const [row] = await admin.query<Row & Record<string, unknown>>(look);
    if (!row) return;
    samples.push({
      at: Date.now(),
      slots: row.slots.map(({ name, acknowledged }) => ({ name, acknowledged: parseLsn(acknowledged) })),
      publications: row.publications,
      connections: row.connections,
      idleInTransaction: row.idle,
      waits: row.waits,
    });
  });
  return {
    samples,
    async stop() {
      await loop.stop();
      await admin.end();
    },
  };
}
