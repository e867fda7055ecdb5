import type pg from 'pg';
import type { Settings } from '@highwater/roles';
import { openFaultProxy, type FaultProxy } from './fault-proxy.js';

/** Our way to both servers; the application keeps its own. */
export interface Links {
  readonly postgres: FaultProxy;
  /** There once the settings went `through`. */
  readonly kafka: () => FaultProxy;
  /** A run's settings with every connection of ours behind the proxies. */
  through(settings: Settings): Settings;
  close(): Promise<void>;
}

export async function proxied(postgresPort: number): Promise<Links> {
  const postgres = await openFaultProxy({ port: postgresPort, protocol: 'postgres' });
  const kafka = await openFaultProxy({ port: 1, protocol: 'kafka' });
  return {
    postgres,
    kafka: () => kafka,
    through(settings) {
      const { urls } = settings.database;
      kafka.pointTo(Number(settings.kafka?.brokers[0]?.split(':')[1]));
      return {
        ...settings,
        database: {
          ...settings.database,
          urls: {
            stream: postgres.url(urls.stream),
            fill: postgres.url(urls.fill),
            state: postgres.url(urls.state),
            ddl: postgres.url(urls.ddl),
          },
        },
        kafka: settings.kafka && { ...settings.kafka, brokers: [kafka.broker] },
      };
    },
    async close() {
      await postgres.close();
      await kafka.close();
    },
  };
}

/** Notes what our sessions do to rows of "Activity" (invariants 1 and 2); answers the sums. */
export async function watchFills(
  admin: pg.Client,
): Promise<() => Promise<{ fills: number; overwritten: number; otherColumns: number }>> {
  await admin.query(`
    create table fill_watch (overwritten boolean, other_columns boolean);
    create function fill_watch() returns trigger language plpgsql security definer set search_path = public as $$
    begin
      insert into fill_watch values (old."workspaceId" is not null,
        (old.id, old."groupId", old.title) is distinct from (new.id, new."groupId", new.title));
      return null;
    end $$;
    create trigger fill_watch after update on "Activity" for each row
      when (current_setting('application_name') like 'highwater/%') execute function fill_watch()`);
  return async () => {
    const { rows } = await admin.query<{ fills: number; overwritten: number; otherColumns: number }>(
      `select count(*)::int as fills, count(*) filter (where overwritten)::int as overwritten,
              count(*) filter (where other_columns)::int as "otherColumns" from fill_watch`,
    );
    return rows[0] ?? { fills: 0, overwritten: -1, otherColumns: -1 };
  };
}
