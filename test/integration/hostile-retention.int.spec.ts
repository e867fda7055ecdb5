import { afterAll, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { createLogger } from '@highwater/telemetry';
import { createEngine, type Engine } from '@highwater/roles';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';
import { stopEngine } from '../support/stop-engine.js';

const cluster = usePostgres();
const by = { actor: { name: 'test', method: 'os' as const } };
const plan = `${workspacePlan.replace('window: 10m', 'window: 1s').replace(/migration: .*/, 'migration: retained')}stream: { retainedWal: 64MiB, atLimit: dropSlot, onBreak: rebuild }\n`;
let prepared: Prepared;
let engine: Engine;
let idle: pg.Client;

beforeAll(async () => {
  prepared = await prepare(await cluster.freshDatabase('retained'), workspaceSchema, plan, { install: false });
  await prepared.admin.query(workspaceSeed);
  engine = await createEngine(
    {
      database: prepared.database.settings,
      kafka: { brokers: await brokers(), clientId: 'test', topicPrefix: `hw${unique()}` },
      topicPrefix: 'unused',
      kafkaSessionMs: 6_000,
      roles: ['control', 'relay', 'filler', 'sweeper'],
      http: { host: '127.0.0.1', port: 0, allowedHosts: [] },
      logLevel: 'fatal',
    },
    createLogger({ name: 'test', level: 'fatal' }),
  );
  await engine.start(['control', 'relay', 'filler', 'sweeper']);
  idle = new pg.Client({ connectionString: prepared.url, application_name: 'idle-app' });
  await idle.connect();
});
afterAll(async () => {
  await idle.end();
  await stopEngine(engine);
  await prepared.close();
});

// the next one is begun at once and waits for the open transaction: it has a restart_lsn by then, and no position that it could be read from
const slots = async (): Promise<number> =>
  (
    await prepared.admin.query(
      `select from pg_replication_slots where slot_name like 'hw\\_%' and confirmed_flush_lsn is not null`,
    )
  ).rowCount ?? 0;
const stream = async (): Promise<{ stream: string; epoch: number }> => engine.control.get('retained');

it('drops the slot at the limit, whoever holds the WAL, and rebuilds the stream when it can (G6)', async () => {
  await engine.control.plan(plan, by);
  await engine.control.start('retained', by);
  await waitFor('the bridge', async () => (await engine.control.get('retained')).phase === 'bridged', {
    describe: stream,
  });
  // an open transaction holds the WAL of a slot that is read to its end
  await idle.query('begin');
  await idle.query('select txid_current()');
  await prepared.admin.query(
    `create table ballast as select repeat(md5(i::text), 60) as t from generate_series(1, 60000) i`,
  );
  await waitFor('the slot to be dropped', async () => (await slots()) === 0, { describe: stream });
  const broken = await waitFor('its event', async () =>
    (await engine.control.events('retained', 0, 100)).find((event) => event.type === 'StreamBroken'),
  );
  expect(broken.data).toMatchObject({ reason: 'RetentionLimit' });
  await idle.query('rollback');
  await waitFor(
    'the next epoch',
    async () => {
      const now = await stream();
      return now.epoch === 2 && now.stream === 'open';
    },
    { describe: stream },
  );
});
