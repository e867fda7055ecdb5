import type pg from 'pg';
import { expect } from 'vitest';
import type { Settings } from '@highwater/roles';
import { streamPlan } from './engine-run.js';
import { openFaultProxy, type FaultProxy } from './fault-proxy.js';
import { startStreamRun, type StreamRun } from './stream-run.js';

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

const seed = (rows: number): string => `
insert into "Organization" select 'o' || g, 'org' from generate_series(1, 3) g;
insert into "Workspace" select id, name from "Organization";
insert into "Group" (id, "orgId", name) select 'g' || g, 'o' || (g % 3 + 1), 'group' from generate_series(1, 9) g;
insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'activity' from generate_series(1, ${rows}) g`;

/** A whole run behind the proxies, watched; the application keeps its own way. `close` ends all of it. */
export interface ProxiedRun {
  readonly run: StreamRun;
  readonly postgres: FaultProxy;
  readonly kafka: FaultProxy;
  readonly fills: Awaited<ReturnType<typeof watchFills>>;
  close(): Promise<void>;
}

export async function startProxiedRun(
  server: { readonly port: number },
  url: string,
  name: string,
  {
    rows = 3_000,
    plan = '',
    log = () => undefined,
  }: { rows?: number; plan?: string; log?: (line: string) => void } = {},
): Promise<ProxiedRun> {
  const links = await proxied(server.port);
  let fills: ProxiedRun['fills'] | undefined;
  const run = await startStreamRun(url, name, {
    plan: `${streamPlan(name)}accept: [TriggerOnUpdate]\n${plan}`,
    seed: seed(rows),
    log,
    change: (settings: Settings) => links.through(settings),
    beside: async ({ admin }) => {
      fills = await watchFills(admin);
    },
  });
  const close = async (): Promise<void> => {
    links.postgres.clear();
    links.kafka().clear();
    await run.close();
    await links.close();
  };
  if (!fills) throw new Error('nobody watches the fills');
  return { run, postgres: links.postgres, kafka: links.kafka(), fills, close };
}

/** Rows that nobody but us fills, until the work is over; no statement of the application may fail. */
export async function writing(run: StreamRun, work: () => Promise<void>): Promise<void> {
  const client = await run.client('old-app');
  let going = true;
  const failed: unknown[] = [];
  const writer = (async () => {
    for (let n = 0; going; n += 1) {
      await client
        .query(`insert into "Activity" ("groupId", title) values ('g' || ($1::int % 9 + 1), 'live')`, [n])
        .catch((error: unknown) => failed.push(error));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await work().finally(async () => {
    going = false;
    await writer;
  });
  expect(failed).toEqual([]);
}
