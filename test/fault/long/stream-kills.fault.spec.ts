import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { topicNames } from '@highwater/messaging';
import type { Settings } from '@highwater/roles';
import { oldApplication } from '../../support/old-application.js';
import { proxied, type Links } from '../../support/proxied-run.js';
import { startService, type ServiceProcess } from '../../support/service-process.js';
import { usePostgres, waitFor } from '../../support/stack.js';
import { startStreamRun, type StreamRun } from '../../support/stream-run.js';

/*
 * The relay is a process of its own, behind proxies that hold it at one step of its work, and dies or freezes there. The sweep is paused: a hint
 * that is lost leaves its row NULL.
 */
describe.sequential('a relay', () => {
  const cluster = usePostgres({ settings: { wal_sender_timeout: '3s' } });
  const logFile = join(mkdtempSync(join(tmpdir(), 'highwater-relay-')), 'relay.log');
  let run: StreamRun;
  let links: Links;
  let settings: Settings;
  let relay: ServiceProcess;
  let application: ReturnType<typeof oldApplication>;

  const startRelay = async (): Promise<void> => {
    const { urls } = links.through(settings).database;
    relay = await startService(
      {
        HIGHWATER_ROLES: 'relay',
        HIGHWATER_STREAM_URL: urls.stream,
        HIGHWATER_STATE_URL: settings.database.urls.state, // what it asks there is not what it is held at
        HIGHWATER_FILL_URL: settings.database.urls.fill,
        HIGHWATER_DDL_URL: settings.database.urls.ddl,
        HIGHWATER_KAFKA_BROKERS: links.kafka().broker,
        HIGHWATER_TOPIC_PREFIX: settings.kafka?.topicPrefix ?? '',
      },
      logFile,
    );
  };
  const slot = async (): Promise<{ active: boolean; confirmed: string }> =>
    (
      await run.prepared.admin.query<{ active: boolean; confirmed: string }>(
        'select active, confirmed_flush_lsn::text as confirmed from pg_replication_slots',
      )
    ).rows[0] ?? { active: false, confirmed: 'none' };
  const hintsStored = async (): Promise<number> => {
    const { kafka } = settings;
    const admin = new Kafka({ brokers: [...(kafka?.brokers ?? [])], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const offsets = await admin.fetchTopicOffsets(topicNames(kafka?.topicPrefix ?? '', run.id).hints);
    await admin.disconnect();
    return offsets.reduce((sum, { high }) => sum + Number(high), 0);
  };
  const insertMany = (title: string, rows: number): Promise<unknown> =>
    run.prepared.admin.query(
      `insert into "Activity" ("groupId", title) select 'g1', $1 from generate_series(1, $2::int)`,
      [title, rows],
    );
  const filled = async (title: string, rows: number): Promise<void> => {
    await waitFor(
      `${rows} rows "${title}" to be filled by the stream`,
      async () =>
        (
          await run.prepared.admin.query<{ n: number }>(
            `select count(*)::int as n from "Activity" where title = $1 and "workspaceId" = 'o2'`,
            [title],
          )
        ).rows[0]?.n === rows,
      { timeoutMs: 60_000 },
    );
  };

  beforeAll(async () => {
    links = await proxied(cluster.server().port);
    run = await startStreamRun(await cluster.freshDatabase(), 'relay-kills', {
      roles: ['control', 'filler', 'sweeper'],
      change: (given) => (settings = given),
    });
    await run.pause();
    await run.rebuilt(1);
    await startRelay();
    await run.streams();
    application = oldApplication(await run.client('old-app'), 25);
  });
  afterAll(async () => {
    await application.stop();
    await relay.kill('SIGKILL').catch(() => undefined);
    await run.close();
    await links.close();
  });

  it('F03 killed after it read rows and before Kafka had them: they come again', async () => {
    const before = await slot();
    const swallowed = links.kafka().timeout({ direction: 'toServer' });
    await insertMany('read, not stored', 300);
    await waitFor('the relay to have sent something', () => links.kafka().swallowed() > 0);
    await relay.kill('SIGKILL');
    swallowed();
    expect((await slot()).confirmed >= before.confirmed).toBe(true);
    expect(await run.isFilled('read, not stored')).toBe(false);
    await startRelay();
    await filled('read, not stored', 300);
  });

  it('F04 killed after Kafka stored hints and before the slot was told: duplicates, and no effect', async () => {
    const deaf = links.postgres.timeout({ direction: 'toServer' });
    const confirmed = (await slot()).confirmed;
    const before = await hintsStored();
    await insertMany('stored, not acknowledged', 300);
    await waitFor('their hints', async () => (await hintsStored()) >= before + 300);
    await filled('stored, not acknowledged', 300);
    expect((await slot()).confirmed).toBe(confirmed);
    await relay.kill('SIGKILL');
    deaf();
    const stored = await hintsStored();
    await startRelay();
    await waitFor('the same hints again', async () => (await hintsStored()) >= stored + 300);
    await run.streams();
  });

  it('F05 killed in the middle of one transaction of 20,000 rows: it comes again from its start', async () => {
    const before = await hintsStored();
    const slow = links.kafka().bandwidth({ bytesPerSecond: 4_000_000, direction: 'toServer' });
    await insertMany('one large transaction', 20_000);
    await waitFor('a part of it', async () => (await hintsStored()) > before + 1_000, { everyMs: 5 });
    await relay.kill('SIGKILL');
    slow();
    const part = (await hintsStored()) - before;
    expect(part).toBeLessThan(20_000);
    await startRelay();
    await filled('one large transaction', 20_000);
    expect((await hintsStored()) - before).toBeGreaterThanOrEqual(20_000 + part);
  });

  it('F23 frozen: the server lets it go, readiness says that nobody reads, and it goes on when it thaws', async () => {
    relay.child.kill('SIGSTOP');
    await insertMany('while it was frozen', 50);
    await waitFor('the server to give it up', async () => !(await slot()).active, { timeoutMs: 30_000 });
    await waitFor('the condition', async () => (await run.condition('SlotHealthy'))?.reason === 'Inactive');
    relay.child.kill('SIGCONT');
    await filled('while it was frozen', 50);
  });

  it('F03 F04 F05 F23 nothing broke, no statement of the application failed, every row has its value', async () => {
    expect((await run.events()).map((event) => event.type)).not.toContain('StreamBroken');
    await run.resume();
    await run.until('bridged');
    await application.stop();
    expect(application.failed).toEqual([]);
    await run.settled();
  });
});
