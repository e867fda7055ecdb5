import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  accessUrls,
  doorTo,
  ours,
  request,
  startAndEnd,
  through,
  untilPhase,
  type Door,
} from '../support/bad-input.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { ask, startService, type ServiceProcess } from '../support/service-process.js';
import { dropSlots } from '../support/slots.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';

// Wrong, absent or unsuitable servers, met by the service as the process an operator runs, over the least-privilege roles.

const one = usePostgres({ settings: { max_replication_slots: '1' } });
const logs = mkdtempSync(join(tmpdir(), 'highwater-bad-input-'));
const services: ServiceProcess[] = [];
const doors: Door[] = [];
let prepared: Prepared | undefined;
afterAll(() => rmSync(logs, { recursive: true, force: true }));
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.kill('SIGTERM')));
  await Promise.all(doors.splice(0).map((door) => door.close()));
  if (prepared) await dropSlots(prepared.url); // there is one for all
  await prepared?.close();
  prepared = undefined;
});

const plan = (name: string): string => workspacePlan.replace('organization-to-workspace', name);
const quiet = (name: string): string => `${plan(name)}stream: none\n`;

async function setUp(yaml: string, options: Parameters<typeof prepare>[3] = {}, cluster = one): Promise<Prepared> {
  prepared = await prepare(await cluster.freshDatabase(), `${workspaceSchema}; ${workspaceSeed}`, yaml, {
    install: false,
    ...options,
  });
  return prepared;
}

async function serve(environment: Record<string, string>): Promise<string> {
  const service = await startService(
    { HIGHWATER_TOPIC_PREFIX: `hw${unique()}`, ...environment },
    join(logs, `${unique()}.log`),
  );
  services.push(service);
  return service.url;
}

async function door(address: string): Promise<Door> {
  const [host, port] = address.split(':');
  const made = await doorTo(host ?? '', Number(port));
  doors.push(made);
  return made;
}

/** Planned, and `start` refused by preflight: what it said. Nothing was begun. */
async function refused(url: string, id: string, yaml: string): Promise<{ message: string; help: string }> {
  expect((await request(url, '/migrations', yaml)).status).toBe('succeeded');
  const { status, error } = await request(url, `/migrations/${id}/start`);
  expect({ status, code: error?.code }).toEqual({ status: 'failed', code: 'HW2090' });
  expect(await ours((prepared as Prepared).admin)).toEqual([]);
  expect((await ask(url, `/migrations/${id}`))?.body).toMatchObject({ phase: 'preflight-failed' });
  return { message: error?.message ?? '', help: error?.help ?? '' };
}

async function begins(url: string, id: string, phase: string): Promise<void> {
  expect((await request(url, `/migrations/${id}/start`)).error).toBeNull();
  await untilPhase(url, id, phase);
}

describe('a service that cannot start says why in a sentence and exits 1', () => {
  it.each([
    ['a database that is not there', (url: string) => ({ HIGHWATER_DATABASE_URL: url.replace(/[^/]+$/, 'nope') }),
      [/error\[HW9003\]: starting: connecting as access role stream \(postgres@127\.0\.0\.1:\d+\/nope\): database "nope" does not exist\n {2}help: check the database name in the URL, or create the database\n {2}docs: docs\/errors\.md#hw9003/]],
    ['a wrong password', (url: string) => ({ HIGHWATER_DATABASE_URL: url.replace(/:[^:@]+@/, ':geheim-1@') }),
      [/error\[HW9004\]: starting: connecting as access role stream \(postgres@.*\): password authentication failed for user "postgres"/, /help: check user and password in the URL, or pg_hba\.conf/]],
    ['one wrong access role', (url: string) => ({ HIGHWATER_DATABASE_URL: url, HIGHWATER_DDL_URL: url.replace('//postgres:', '//nobody:') }),
      [/error\[HW9004\]: .*access role ddl \(nobody@/]],
    ['no database', () => ({}), [/error\[HW9503\]: no database given for access role stream/, /help: set HIGHWATER_DATABASE_URL=/]],
    ['a URL that is none', () => ({ HIGHWATER_DATABASE_URL: 'mysql://root:geheim-2@db/x' }), [/error\[HW9502\]: setting HIGHWATER_DATABASE_URL/, /expected a URL like postgres:/]],
    ['a misspelt setting', (url: string) => ({ HIGHWATER_DATABASE_URL: url, HIGHWATER_KAFKA_BROKER: 'x:1' }), [/error\[HW9501\]: .*HIGHWATER_KAFKA_BROKER\b/, /HIGHWATER_KAFKA_BROKERS/]],
  ] as const)('%s', async (_what, environment, expected) => {
    const ended = await startAndEnd(environment(await one.freshDatabase()));
    expect(ended.code).toBe(1);
    for (const pattern of expected) expect(ended.said).toMatch(pattern);
    expect(ended.said).not.toMatch(/^\s+at /m);
    expect(ended.all).not.toMatch(/geheim|DETAIL/);
  }); // prettier-ignore

  it('a missing grant on the database, with where the GRANT stands; with it the same start works', async () => {
    const { admin, database, roles } = await setUp(quiet('no-create'));
    const name = database.settings.urls.ddl.replace(/.*\//, '');
    await admin.query(`revoke create on database "${name}" from "${roles.ddl}"`);
    const ended = await startAndEnd(accessUrls(database.settings.urls));
    expect(ended).toMatchObject({ code: 1 });
    expect(ended.said).toMatch(
      /error\[HW9005\]: installing schema highwater: permission denied for database .*\n {2}help: run the statements that `highwater init --print-grants` prints/,
    );
    await admin.query(`grant create on database "${name}" to "${roles.ddl}"`);
    const url = await serve(accessUrls(database.settings.urls));
    await waitFor('the service to be ready', async () => (await ask(url, '/health/ready'))?.status === 200);
  });
});

describe('a database that is away', () => {
  it('at the start and later: the service says so, stays, and goes on when it is back', async () => {
    const { database, admin } = await setUp(quiet('away'));
    const at = await door(new URL(database.settings.urls.state).host);
    const urls = Object.fromEntries(
      Object.entries(database.settings.urls).map(([role, url]) => [role, through(url, at)]),
    );
    const url = await serve(accessUrls(urls as typeof database.settings.urls));
    const pid = services[0]?.child.pid;
    const health = async (probe: string) => (await ask(url, `/health/${probe}`)) ?? { status: 0, body: {} };

    expect(await health('startup')).toMatchObject({
      status: 503,
      body: {
        reason: expect.stringMatching(
          `connecting as access role stream .*: connect ECONNREFUSED 127.0.0.1:${at.port}`,
        ) as string,
      },
    });
    expect((await health('live')).status).toBe(200);
    const refusedPlan = await ask(url, '/migrations', { body: quiet('away') });
    expect(refusedPlan).toMatchObject({
      status: 503,
      body: { code: 'HW9002', help: expect.stringContaining('check that the server is up') as string },
    });

    await at.open();
    await waitFor('the service to be ready', async () => (await health('ready')).status === 200);
    expect((await request(url, '/migrations', quiet('away'))).status).toBe('succeeded');
    await begins(url, 'away', 'expanded');

    await at.close();
    await waitFor('the service to say that it is away', async () => (await health('ready')).status === 503);
    expect((await ask(url, '/migrations/away'))?.status).toBe(503);
    await at.open();
    await waitFor('the service to be ready again', async () => (await health('ready')).status === 200);
    await untilPhase(url, 'away', 'bridged');
    expect(services[0]?.child).toMatchObject({ pid, exitCode: null });
    // a few that were held up may be left to the pass behind the bridge
    await waitFor(
      'every row to be filled',
      async () => (await admin.query(`select from "Activity" where "workspaceId" is null`)).rowCount === 0,
    );
  });
});

describe('a broker that is away, or none', () => {
  beforeAll(brokers); // its start is nobody's test
  it('preflight names the broker; when it answers, the same start works', async () => {
    const { database } = await setUp(plan('no-broker'));
    const at = await door((await brokers())[0] ?? '');
    const url = await serve({ ...accessUrls(database.settings.urls), HIGHWATER_KAFKA_BROKERS: `127.0.0.1:${at.port}` });
    const { message } = await refused(url, 'no-broker', plan('no-broker'));
    expect(message).toMatch(`KafkaReachable: `);
    expect(message).toContain(`127.0.0.1:${at.port}`);
    expect(message).toContain('HIGHWATER_KAFKA_BROKERS');
    await at.open();
    await begins(url, 'no-broker', 'streaming');
  });

  it('something else answers at the address: said in words, and the service stays', async () => {
    const { database } = await setUp(plan('no-kafka-there'));
    const at = new URL(database.settings.urls.state).host;
    const url = await serve({ ...accessUrls(database.settings.urls), HIGHWATER_KAFKA_BROKERS: at });
    const { message } = await refused(url, 'no-kafka-there', plan('no-kafka-there'));
    expect(message).toContain('KafkaReachable: ');
    expect(message).toContain(at);
    expect((await ask(url, '/health/live'))?.status).toBe(200);
  });

  it('without HIGHWATER_KAFKA_BROKERS a plan with a stream is refused, with both ways out', async () => {
    const { database } = await setUp(plan('no-kafka'));
    const url = await serve(accessUrls(database.settings.urls));
    const { message } = await refused(url, 'no-kafka', plan('no-kafka'));
    expect(message).toContain(
      'KafkaReachable: the plan has a stream and no Kafka is configured; set HIGHWATER_KAFKA_BROKERS, or write `stream: none`',
    );
  });
});

describe('a server that cannot carry the stream', () => {
  it('no free slot: preflight says how many and which slot nobody reads; when one is free, the same start works', async () => {
    const { database, admin } = await setUp(plan('no-slot'));
    await admin.query(`select pg_create_physical_replication_slot('forgotten_backup', true)`);
    const url = await serve({
      ...accessUrls(database.settings.urls),
      HIGHWATER_KAFKA_BROKERS: (await brokers()).join(),
    });
    const { message } = await refused(url, 'no-slot', plan('no-slot'));
    expect(message).toMatch(
      /FreeSlot: 0 replication slots and \d+ walsenders are free; one of each is needed; nobody reads slot "forgotten_backup": drop what nobody needs \(pg_drop_replication_slot\), or raise max_replication_slots/,
    );
    await admin.query(`select pg_drop_replication_slot('forgotten_backup')`);
    await begins(url, 'no-slot', 'streaming');
  });

  it('the last slot taken after preflight: nothing half made, the reason names it, and it goes on when one is free', async () => {
    const { database, admin } = await setUp(plan('slot-race'));
    const url = await serve({
      ...accessUrls(database.settings.urls),
      HIGHWATER_KAFKA_BROKERS: (await brokers()).join(),
    });
    await request(url, '/migrations', plan('slot-race'));
    expect((await request(url, '/migrations/slot-race/preflight')).result).toMatchObject({ failures: [] });
    await admin.query(`select pg_create_physical_replication_slot('forgotten_backup', true)`);
    await ask(url, '/migrations/slot-race/start', { body: {} });
    const reason = await waitFor('the reason', async () => {
      const found = (await ask(url, '/migrations/slot-race'))?.body['reason'] as
        { code: string; message: string } | undefined;
      return found?.code === 'HW3005' && found.message;
    });
    expect(reason).toMatch(/replication slots/);
    await admin.query(`select pg_drop_replication_slot('forgotten_backup')`);
    await untilPhase(url, 'slot-race', 'streaming');
  });

  describe('wal_level replica', () => {
    const replica = usePostgres({ settings: { wal_level: 'replica' } });
    it('preflight says what is set, what is needed and how; a plan without a stream runs there', async () => {
      const { database } = await setUp(plan('no-logical'), {}, replica);
      const url = await serve({
        ...accessUrls(database.settings.urls),
        HIGHWATER_KAFKA_BROKERS: (await brokers()).join(),
      });
      const { message, help } = await refused(url, 'no-logical', plan('no-logical'));
      expect(message).toContain(
        'WalLevel: wal_level is replica; logical is needed (restart of the server), or stream: none in the plan',
      );
      expect(help).toContain(`alter system set wal_level = 'logical'`);
      expect((await request(url, '/migrations', quiet('no-logical-quiet'))).status).toBe('succeeded');
      await begins(url, 'no-logical-quiet', 'bridged');
    });
  });
});

describe('missing grants', () => {
  it('each is named with the GRANT to run, and after exactly those the same start works', async () => {
    const { database, admin, roles } = await setUp(quiet('no-grant'));
    await admin.query(
      `revoke update ("workspaceId") on "Activity" from "${roles.fill}"; revoke select ("orgId") on "Group" from "${roles.bridge}"`,
    );
    const url = await serve(accessUrls(database.settings.urls));
    const { message, help } = await refused(url, 'no-grant', quiet('no-grant'));
    expect(message).toContain(
      `access role fill (${roles.fill}) lacks update on column "workspaceId" of public."Activity"`,
    );
    expect(help.split('; ').sort()).toEqual([
      `grant select ("orgId") on table public."Group" to ${roles.bridge}`,
      `grant update ("workspaceId") on table public."Activity" to ${roles.fill}`,
    ]);
    await admin.query(help);
    await begins(url, 'no-grant', 'sweeping');
  });
});
