import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { accessUrls, cutoverOnceReady, ours, request, untilPhase, untilReady } from '../support/bad-input.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { ask, startService, type ServiceProcess } from '../support/service-process.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';

// Input that is odd and goes through to the end, or is refused on the way without harm: on the service's process, as the least-privilege roles.

const { freshDatabase } = usePostgres();
const logs = mkdtempSync(join(tmpdir(), 'highwater-bad-runs-'));
const running: { service: ServiceProcess; prepared: Prepared }[] = [];
afterAll(() => rmSync(logs, { recursive: true, force: true }));
afterEach(async () => {
  for (const { service, prepared } of running.splice(0)) {
    await service.kill('SIGTERM');
    await prepared.close();
  }
});

const quick = (name: string): string =>
  workspacePlan.replace('organization-to-workspace', name).replace('window: 10m', 'window: 1s');
const quiet = (name: string): string => `${quick(name)}stream: none\n`;

async function setUp(plan: string, schema: string, environment: Record<string, string> = {}) {
  const prepared = await prepare(await freshDatabase(), schema, plan, { install: false });
  const service = await startService(
    { ...accessUrls(prepared.database.settings.urls), ...environment },
    join(logs, `${unique()}.log`),
  );
  running.push({ service, prepared });
  await request(service.url, '/migrations', plan);
  return { url: service.url, admin: prepared.admin, id: prepared.plan.migration };
}

const cutover = (url: string, id: string, generation: string, headers: Record<string, string> = {}, limits = {}) =>
  ask(url, `/cutover?migration=${id}`, {
    body: { reason: 'spec', ...limits },
    headers: { 'if-match': `"${generation}"`, ...headers },
  });

async function eventsOf(url: string, id: string): Promise<{ type: string; data: Record<string, unknown> }[]> {
  const answer = await ask(url, `/migrations/${id}/events`);
  return (answer?.body['events'] ?? []) as { type: string; data: Record<string, unknown> }[];
}

/** From planned to finished; the database must then hold NOT NULL on both targets and nothing of ours. */
async function throughToTheEnd(
  { url, admin, id }: Awaited<ReturnType<typeof setUp>>,
  whenBridged?: () => Promise<void>,
) {
  expect((await request(url, `/migrations/${id}/start`)).error).toBeNull();
  await untilPhase(url, id, 'bridged');
  await whenBridged?.();
  expect((await cutoverOnceReady(url, id)).error).toBeNull();
  const notNull = await admin.query(
    `select attrelid::regclass::text as t from pg_attribute where attname = 'workspaceId' and attnotnull order by 1`,
  );
  expect(notNull.rows).toEqual([{ t: '"Activity"' }, { t: '"Group"' }]);
  // without a stream nobody reports who still needs the bridge, so the operator says that nobody does
  expect((await request(url, `/migrations/${id}/finish`, { bridgeUnused: true })).error).toBeNull();
  expect(await ours(admin)).toEqual([]);
  return eventsOf(url, id);
}

describe('tables that are not as one expects', () => {
  it('partly filled: what the application filled is not touched, the rest is filled, both are verified', async () => {
    const run = await setUp(
      quiet('partly-filled'),
      `${workspaceSchema}; ${workspaceSeed}; update "Group" set "workspaceId" = "orgId" where id < 'g5';
       update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId" and a.id % 2 = 0`,
    );
    const before = await run.admin.query(
      `select id, xmin::text, "workspaceId" from "Activity" where "workspaceId" is not null order by id`,
    );
    expect(before.rowCount).toBe(100);
    const events = await throughToTheEnd(run);
    expect(
      (await run.admin.query(`select id, xmin::text, "workspaceId" from "Activity" where id % 2 = 0 order by id`)).rows,
    ).toEqual(before.rows);
    const { rows } = await run.admin.query(
      `select count(*)::int as n from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" = g."orgId"`,
    );
    expect(rows).toEqual([{ n: 200 }]);
    expect(events.filter(({ type }) => type === 'Enforced')).toHaveLength(2);
  });

  it('an empty table goes to the enforced end, and its first row is filled by the bridge', async () => {
    const run = await setUp(quiet('empty'), workspaceSchema);
    const events = await throughToTheEnd(run, async () => {
      await run.admin.query(
        `insert into "Organization" values ('o1', 'org'); insert into "Workspace" values ('o1', 'org'); insert into "Group" (id, "orgId") values ('g1', 'o1')`,
      );
    });
    expect((await run.admin.query(`select "workspaceId" from "Group"`)).rows).toEqual([{ workspaceId: 'o1' }]);
    expect(events.filter(({ type }) => type === 'Enforced')).toHaveLength(2);
  });

  it('already NOT NULL: preflight says that nothing is left to enforce there, nothing is written, the rest of the plan is done', async () => {
    const run = await setUp(
      quiet('already'),
      `${workspaceSchema}; ${workspaceSeed}; update "Group" set "workspaceId" = "orgId";
       update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId";
       alter table "Activity" alter "workspaceId" set not null`,
    );
    const rowsOf = async () => (await run.admin.query(`select id, xmin::text from "Activity" order by id`)).rows;
    const before = await rowsOf();
    const preflight = await request(run.url, `/migrations/${run.id}/preflight`);
    expect(preflight.result).toMatchObject({
      failures: [],
      warnings: expect.arrayContaining(['TargetState']) as string[],
    });
    expect(
      (preflight.result?.['checks'] as { check: string; status: string; message: string }[]).find(
        ({ status }) => status === 'warn',
      ),
    ).toMatchObject({
      check: 'TargetState',
      message: expect.stringMatching(
        /^public\."Activity"\."workspaceId": .*already NOT NULL.*: there is nothing to fill or to enforce here; the run verifies what is stored/,
      ) as string,
    });
    const events = await throughToTheEnd(run);
    expect(await rowsOf()).toEqual(before);
    expect(events.find(({ type }) => type === 'PreflightPassed')?.data).toMatchObject({
      warnings: expect.arrayContaining(['TargetState']) as string[],
    });
    const { rows } = await run.admin.query(
      `select conrelid::regclass::text as t, convalidated as ok from pg_constraint where contype = 'f' and confrelid = '"Workspace"'::regclass order by 1`,
    );
    expect(rows).toEqual([{ t: '"Activity"', ok: true }, { t: '"Group"', ok: true }]); // prettier-ignore
  });
});

describe('poisonous messages on the hints topic', () => {
  beforeAll(brokers); // its start is nobody's test

  it('are put aside with reason and position, without their content; fences pass, rows are filled', async () => {
    const prefix = `hw${unique()}`;
    const { url, admin, id } = await setUp(quick(`poison-${unique()}`), `${workspaceSchema}; ${workspaceSeed}`, {
      HIGHWATER_KAFKA_BROKERS: (await brokers()).join(),
      HIGHWATER_TOPIC_PREFIX: prefix,
    });
    await request(url, `/migrations/${id}/start`);
    await untilPhase(url, id, 'sweeping');
    const kafka = new Kafka({ brokers: await brokers(), logLevel: logLevel.NOTHING });
    const producer = kafka.producer();
    await producer.connect();
    const value = JSON.stringify({
      v: 1,
      kind: 'row',
      migration: id,
      epoch: 1,
      table: ['pg_catalog', 'pg_authid'],
      key: ['1'],
      xid: '3',
      lsn: '0/1',
    });
    const poison = [
      'personal data',
      '{"v":2}',
      '{',
      '[]',
      'null',
      value,
      Buffer.from([0xff, 0xfe, 0]),
      '{"v":1,"kind":"row","key":[{}]}',
    ];
    await producer.send({
      topic: `${prefix}.${id}.hints`,
      messages: poison.map((one, i) => ({ value: one, partition: i % 4 })),
    });
    await producer.disconnect();
    await admin.query(`insert into "Activity" ("groupId", title) values ('g1', 'after the poison')`);

    await untilReady(url, id);
    expect((await admin.query(`select from "Activity" where "workspaceId" is null`)).rowCount).toBe(0);
    // by position: one that was put aside and not committed before a rebalance is put aside again
    const letters = new Map<string, string>();
    const reader = kafka.consumer({ groupId: `spec-${unique()}` });
    await reader.connect();
    await reader.subscribe({ topics: [`${prefix}.${id}.dead-letter`], fromBeginning: true });
    await reader.run({
      eachMessage: ({ message: { headers, value: content } }) => {
        const position = `${String(headers?.['partition'])}/${String(headers?.['offset'])}`;
        letters.set(position, `${String(headers?.['reason'])} ${content === null}`);
        return Promise.resolve();
      },
    });
    await waitFor('the dead letters', () => letters.size === poison.length, { describe: () => [...letters] });
    await reader.disconnect();
    for (const letter of letters.values())
      expect(letter).toMatch(/^(NotJson|UnknownVersion|UnknownTable|NotAHint|\w+) true$/);
  });
});

describe('cutover', () => {
  it('too early, without a generation, stale, twice, and after the end: each refused in words, one attempt in the log', async () => {
    const { url, admin, id } = await setUp(quiet('impatient'), `${workspaceSchema}; ${workspaceSeed}`);
    const readiness = () => waitFor('an evaluation', async () => {
      const answer = await ask(url, `/cutover/readiness?migration=${id}`);
      return answer?.status === 200 && String(answer.body['generation']);
    }); // prettier-ignore
    const early = await waitFor('a refusal on the present generation', async () => {
      const answer = await cutover(url, id, await readiness());
      return answer?.status === 422 && answer;
    });
    expect(early.body).toMatchObject({ code: 'HW6011', type: 'docs/errors.md#hw6011', migration: id });
    expect(early.body['detail']).toMatch(
      /migration "impatient" is not ready: .*SweepComplete is (False|Unknown) \(\w+\)/,
    );
    const conditions = early.body['conditions'] as { type: string; status: string; message: string }[];
    expect(conditions.every(({ message }) => message !== '')).toBe(true);
    expect(await ours(admin)).toEqual([]);

    await request(url, `/migrations/${id}/start`);
    await untilPhase(url, id, 'bridged');
    await untilReady(url, id);
    const blind = await ask(url, `/cutover?migration=${id}`, { body: { reason: 'spec' } });
    expect(blind).toMatchObject({ status: 428, body: { code: 'HW6205' } });
    const stale = await cutover(url, id, '1');
    expect(stale).toMatchObject({
      status: 412,
      body: {
        code: 'HW6012',
        detail: expect.stringMatching(
          /^readiness of "impatient" is at generation ([2-9]|\d\d+), the request saw 1$/,
        ) as string,
        help: expect.stringContaining('If-Match') as string,
      },
    });

    // somebody reads, so the attempt is under way until all have their answer
    const ask2 = async (round: number) => {
      const generation = await untilReady(url, id);
      await admin.query('begin; lock table "Group" in access share mode');
      const keys = [`k1-${round}`, `k2-${round}`];
      const post = (key: string) => cutover(url, id, generation, { 'idempotency-key': key }, patient);
      return { generation, keys, post, asked: await Promise.all(keys.map(post)) };
    };
    const patient = { lockBudget: '5s', lockAttempts: 50 };
    let round = 0;
    const { generation, keys, post, asked } = await waitFor('one of two requests to be accepted', async () => {
      const both = await ask2((round += 1));
      if (both.asked.some((answer) => answer?.status === 202)) return both;
      await admin.query('rollback'); // readiness moved on
      return undefined;
    });
    const [first, second] = asked.toSorted((a, b) => (a?.status ?? 0) - (b?.status ?? 0));
    const repeated = await post(keys[asked.indexOf(first)] ?? '');
    expect(second).toMatchObject({
      status: 409,
      body: {
        code: 'HW6013',
        detail: 'another cutover attempt of "impatient" is under way',
        help: expect.stringContaining(`GET /operations/${String(first?.body['id'])}`) as string,
      },
    });
    expect(repeated).toMatchObject({ status: 202, body: { id: first?.body['id'] } });
    await admin.query('rollback');
    await untilPhase(url, id, 'enforced');
    const late = await cutover(url, id, generation);
    expect(late).toMatchObject({
      status: 409,
      body: { code: 'HW6014', detail: 'cutover refused for migration "impatient": it is enforced already' },
    });
    const events = await eventsOf(url, id);
    expect(events.filter(({ type }) => type === 'CutoverBegan')).toHaveLength(1);
    expect(events.filter(({ type }) => type === 'CutoverFailed')).toHaveLength(0);
  });
});
