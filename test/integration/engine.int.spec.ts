import { afterAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { createLogger, metricsText } from '@highwater/telemetry';
import { createEngine, type Engine, type Operation, type Settings } from '@highwater/roles';
import { followed } from '../support/engine-run.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { hasReached } from '../support/phases.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';
import { stopEngine } from '../support/stop-engine.js';

const cluster = usePostgres();
const opened: { engine?: Engine; prepared?: Prepared }[] = [];
afterAll(async () => {
  for (const one of opened) {
    if (one.engine) await stopEngine(one.engine);
    await one.prepared?.close();
  }
});

const by = { actor: { name: 'test', method: 'os' as const } };
async function settingsFor(prepared: Prepared, withKafka: boolean): Promise<Settings> {
  return {
    database: prepared.database.settings,
    kafka: withKafka ? { brokers: await brokers(), clientId: 'test', topicPrefix: `hw${unique()}` } : undefined,
    topicPrefix: 'unused',
    kafkaSessionMs: 6_000,
    roles: ['control', 'relay', 'filler', 'sweeper'],
    http: { host: '127.0.0.1', port: 0, allowedHosts: [] },
    logLevel: 'warn',
  };
}

async function done(engine: Engine, operation: Operation): Promise<Operation> {
  return waitFor(
    `operation ${operation.verb}`,
    async () => {
      const now = await engine.control.operation(operation.id);
      if (now?.status === 'failed')
        throw new Error(`${operation.verb} failed: ${now.error?.code} ${now.error?.message}`);
      return now?.status === 'succeeded' ? now : undefined;
    },
    { describe: async () => await engine.control.get(operation.migrationId ?? '').catch(String) },
  );
}

describe('the whole job in one process', () => {
  it.each([
    [
      'with a stream',
      workspacePlan
        .replace('window: 10m', 'window: 1s')
        .replace('migration: organization-to-workspace', 'migration: streamed'),
      true,
    ],
    [
      'with stream: none',
      `${workspacePlan.replace('window: 10m', 'window: 1s').replace('migration: organization-to-workspace', 'migration: streamless')}stream: none\n`,
      false,
    ],
  ])('goes from plan to finished while rows are inserted, %s', async (_name, plan, withKafka) => {
    const url = await cluster.freshDatabase('engine');
    const prepared = await prepare(url, `${workspaceSchema}; ${workspaceSeed}`, plan, { install: false });
    const one: (typeof opened)[number] = { prepared };
    opened.push(one);
    const engine = await createEngine(
      await settingsFor(prepared, withKafka),
      createLogger({ name: 'test', level: 'warn' }),
    );
    one.engine = engine;
    await engine.start(['control', 'relay', 'filler', 'sweeper']);

    const planned = await engine.control.plan(plan, by);
    const id = planned.migrationId ?? '';
    await done(engine, await engine.control.start(id, by));
    const old = new pg.Client({ connectionString: url, application_name: 'old-app' });
    await old.connect();
    const reached = async (phase: string): Promise<true | undefined> =>
      hasReached((await engine.control.get(id)).phase, phase) ? true : undefined;
    let inserted = 0;
    const insertUntil = async (phase: string): Promise<void> => {
      await waitFor(
        `phase ${phase}`,
        async () => {
          await old.query(`insert into "Activity" ("groupId", title) values ('g' || ($1::int % 9 + 1), 'new')`, [
            (inserted += 1),
          ]);
          return reached(phase);
        },
        { everyMs: 50, describe: async () => engine.control.get(id) },
      );
    };
    await insertUntil('bridged');
    const ready = await waitFor(
      'readiness',
      async () => {
        await old.query(`insert into "Activity" ("groupId", title) values ('g' || ($1::int % 9 + 1), 'new')`, [
          (inserted += 1),
        ]);
        const readiness = await engine.control.readiness(id);
        return readiness.ready ? readiness : undefined;
      },
      {
        everyMs: 50,
        describe: async () => (await engine.control.readiness(id)).conditions.filter((c) => c.status !== 'True'),
      },
    );
    expect(ready.conditions.every((condition) => condition.status === 'True')).toBe(true);
    expect(await followed(engine, id).cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    await old.query(
      `insert into "Activity" ("groupId", title) values ('g1', 'after enforcement, by the old application')`,
    );
    await old.end();

    const oracle = await prepared.admin.query<{ wrong: string; nulls: string }>(
      `select count(*) filter (where a."workspaceId" is distinct from g."orgId") as wrong, count(*) filter (where a."workspaceId" is null) as nulls
         from "Activity" a join "Group" g on g.id = a."groupId"`,
    );
    expect(oracle.rows[0]).toEqual({ wrong: '0', nulls: '0' });
    const notNull = await prepared.admin.query(
      `select attrelid::regclass::text as t from pg_attribute where attname = 'workspaceId' and attnotnull order by 1`,
    );
    expect(notNull.rows.map((row: { t: string }) => row.t)).toEqual(['"Activity"', '"Group"']);

    if (!withKafka) await expect(engine.control.finish(id, {}, by)).rejects.toMatchObject({ code: 'HW5093' });
    const finished = await done(engine, await engine.control.finish(id, withKafka ? {} : { bridgeUnused: true }, by));
    expect(finished.result).toEqual({ leftovers: [] });
    // no gauge of a stream that is gone goes on telling its last figure to whoever is woken by it
    const told = async () => (await metricsText(engine.metrics)).match(/^highwater_(slot|relay|stream)_.*$/gm);
    await waitFor('its figures to be forgotten', async () => (await told()) === null, { describe: told });
    const events = await engine.control.events(id, 0, 100);
    expect(events.map((event) => event.version)).toEqual(events.map((_, i) => i + 1));
    expect(events.map((event) => event.type)).toEqual(
      expect.arrayContaining([
        'Planned',
        'PreflightPassed',
        'Expanded',
        'SweepCompleted',
        'Bridged',
        'BecameReady',
        'Guarded',
        'Enforced',
        'CutoverCompleted',
        'Finished',
      ]),
    );
  });
});
