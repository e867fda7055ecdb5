import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { createLogger } from '@highwater/telemetry';
import { createEngine, type Engine, type Operation, type Settings } from '@highwater/roles';
import { followed } from '../support/engine-run.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';
import { stopEngine } from '../support/stop-engine.js';

// Two processes with every role, and a stream that is broken before and after enforcement.
const cluster = usePostgres();
const by = { actor: { name: 'test', method: 'os' as const } };
const plan = workspacePlan.replace('window: 10m', 'window: 1s').replace(/migration: .*/, 'migration: hostile');
let prepared: Prepared;
const engines: Engine[] = [];
let app: pg.Client;
let inserted = 0;
const windowMs = 5_000;

const engine = (): Engine => engines[0] as Engine;
const insert = (): Promise<unknown> =>
  app.query(`insert into "Activity" ("groupId", title) values ('g' || ($1::int % 9 + 1), 'new')`, [(inserted += 1)]);
const status = (): ReturnType<Engine['control']['get']> => engine().control.get('hostile');
const done = (operation: Operation): Promise<Operation> =>
  waitFor(
    `operation ${operation.verb}`,
    async () => {
      const now = await engine().control.operation(operation.id);
      if (now?.status === 'failed') throw new Error(`${now.verb} failed: ${now.error?.code} ${now.error?.message}`);
      return now?.status === 'succeeded' ? now : undefined;
    },
    { describe: async () => (await status()).reason },
  );
const ready = (): Promise<string> =>
  waitFor(
    'readiness',
    async () => {
      await insert();
      const readiness = await engine().control.readiness('hostile');
      return readiness.ready ? readiness.generation : undefined;
    },
    {
      everyMs: 50,
      describe: async () =>
        (await engine().control.readiness('hostile')).conditions.filter((one) => one.status !== 'True'),
    },
  );
/** The slot goes while a relay reads it, as a DBA would do it. */
async function dropSlot(): Promise<void> {
  await waitFor('the slot to be dropped', async () => {
    await prepared.admin.query(
      `select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name like 'hw\\_%' and active`,
    );
    return prepared.admin
      .query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like 'hw\\_%'`)
      .then(({ rowCount }) => rowCount === 1)
      .catch(() => false);
  });
}
const epoch = (wanted: number): Promise<unknown> =>
  waitFor(
    `epoch ${wanted}`,
    async () => {
      const now = await status();
      return now.epoch === wanted && now.stream === 'open' && now.slot?.active === true;
    },
    { describe: async () => (await status()).reason },
  );

beforeAll(async () => {
  prepared = await prepare(await cluster.freshDatabase('hostile'), workspaceSchema, plan, { install: false });
  await prepared.admin.query(workspaceSeed);
  const kafka = { brokers: await brokers(), clientId: 'test', topicPrefix: `hw${unique()}` };
  for (const instance of ['one', 'two']) {
    const settings: Settings = {
      database: { ...prepared.database.settings, instance },
      kafka,
      topicPrefix: 'unused',
      kafkaSessionMs: 6_000,
      roles: ['control', 'relay', 'filler', 'sweeper'],
      http: { host: '127.0.0.1', port: 0, allowedHosts: [] },
      logLevel: 'fatal',
    };
    const one = await createEngine(settings, createLogger({ name: instance, level: 'fatal' }));
    engines.push(one);
    await one.start(['control', 'relay', 'filler', 'sweeper']);
  }
  app = new pg.Client({ connectionString: prepared.url, application_name: 'old-app' });
  await app.connect();
});
afterAll(async () => {
  await app.end();
  await Promise.all(engines.map(stopEngine));
  await prepared.close();
});

describe('a stream that breaks, under two processes', () => {
  it('is rebuilt with a new sweep, ready again, and enforced', { timeout: 600_000 }, async () => {
    await engine().control.plan(plan, by);
    await done(await engine().control.start('hostile', by));
    const first = await ready();
    await dropSlot();
    await insert();
    await epoch(2);
    const second = await ready();
    expect(Number(second)).toBeGreaterThan(Number(first));
    const types = await waitFor('the event of readiness', async () => {
      const all = (await engine().control.events('hostile', 0, 200)).map((event) => event.type);
      return all.lastIndexOf('BecameReady') > all.indexOf('StreamBroken') && all;
    });
    // CeasedReady is the first or the second: a slot that is gone may be seen by readiness before the relay has said so
    const since = types.slice(types.indexOf('BecameReady') + 1);
    expect(since).toEqual(expect.arrayContaining(['StreamBroken', 'CeasedReady']));
    expect(since.filter((type) => /^(Stream|Sweep)|^BecameReady/.test(type))).toEqual(
      expect.arrayContaining(['StreamBroken', 'StreamOpened', 'SweepStarted', 'SweepCompleted', 'BecameReady']),
    );
    expect(await followed(engine(), 'hostile').cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    const { rows } = await prepared.admin.query(
      `select count(*) filter (where a."workspaceId" is distinct from g."orgId")::int as wrong from "Activity" a join "Group" g on g.id = a."groupId"`,
    );
    expect(rows).toEqual([{ wrong: 0 }]);
  });

  it('is rebuilt after enforcement too, and finish waits while the bridge is used', { timeout: 600_000 }, async () => {
    await dropSlot();
    await epoch(3);
    // longer than the plan's second: a busy machine may hold the application up for one, and then the bridge is not used
    const finish = await engine().control.finish('hostile', { afterMs: windowMs }, by);
    const began = performance.now();
    await waitFor('more than a window of use', async () => {
      await insert();
      expect((await engine().control.operation(finish.id))?.status).not.toBe('succeeded');
      return performance.now() - began > windowMs + 1_000;
    });
    await insert();
    // asked for with more patience, a window without use is not enough any more; the last word on it counts, and asking again says none
    const patient = await engine().control.finish('hostile', { afterMs: 86_400_000 }, by);
    const again = await engine().control.finish('hostile', {}, by);
    await waitFor('the day to be waited for', async () => /need 86400 s without use/.test((await status()).reason.message), {
      describe: async () => (await status()).reason,
    }); // prettier-ignore
    const asked = performance.now();
    await waitFor('more than a window without use', async () => {
      expect((await status()).phase).toBe('enforced');
      return performance.now() - asked > windowMs + 1_000;
    });
    const atOnce = await engine().control.finish('hostile', { bridgeUnused: true }, by);
    for (const one of [atOnce, again, patient, finish]) expect((await done(one)).result).toEqual({ leftovers: [] });
  });
});
