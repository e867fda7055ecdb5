import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { parseLsn } from '@highwater/kernel';
import type { StreamInfo } from '@highwater/change-stream';
import { createLogger, createMetrics } from '@highwater/telemetry';
import { createEngine, Sweeper } from '@highwater/roles';
import {
  CommitWitness,
  countMissingEntities,
  createEntities,
  createRanges,
  createSlot,
  createTailPass,
  openDatabase,
  openGate,
  readBridgeUses,
  readFillProgress,
  readWorkers,
  recordBridgedStatements,
  runAssertions,
  type BridgedStatement,
  type Database,
  type DatabaseSettings,
  type FillTarget,
} from '@highwater/target-db';
import type { ControlContext } from '../../libs/roles/src/control/context.js';
import { Control } from '../../libs/roles/src/control/control.js';
import { Waits } from '../../libs/roles/src/waits.js';
import { Workers } from '../../libs/roles/src/workers.js';
import { runLong } from '../../libs/target-db/src/ddl/long.js';
import { openFaultProxy } from '../support/fault-proxy.js';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { unique, usePostgres, waitFor, withinLimit } from '../support/stack.js';
import { stopEngine } from '../support/stop-engine.js';

const postgres = usePostgres();
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const urlsOf = (url: string): DatabaseSettings => ({ urls: { stream: url, fill: url, state: url, ddl: url } });
async function open(poolMax: DatabaseSettings['poolMax'] = {}): Promise<Database> {
  const database = openDatabase({ ...urlsOf(await postgres.freshDatabase()), poolMax });
  closing.push(() => withinLimit('every session to be given back', database.close()));
  return database;
}
const active = async (database: Database, text: string, more = 'true'): Promise<number> =>
  (
    await database.state.query(
      'looking who is at work',
      `select from pg_stat_activity where strpos(query, $1) > 0 and state = 'active' and pid <> pg_backend_pid() and ${more}`,
      [text],
    )
  ).length;
const one = [{ n: 1 }];

describe('sessions that are kept', () => {
  it('by as many fillers as a pool has sessions leave every one of them to fill with', async () => {
    const database = await open({ fill: 2 });
    const lost: string[] = [];
    const witnesses = [1, 2].map(() => new CommitWitness(database.fill, (why) => lost.push(why)));
    closing.push(() => Promise.resolve(witnesses.forEach((witness) => witness.end())));
    let entered = 0;
    const fill = async (): Promise<unknown> => {
      entered += 1;
      await waitFor('the other to hold its session too', () => entered === 2);
      return database.fill.query('filling', 'select 1 as n');
    };
    expect(await Promise.all(witnesses.map((witness) => witness.during(fill)))).toEqual([one, one]);
    for (const witness of witnesses) await witness.flush();
    expect(lost).toEqual([]);
  });

  it('by statements that take hours leave the others to what is waited for, and every one of them ends when asked to', async () => {
    const database = await open({ ddl: 1 });
    const stop = new AbortController();
    const text = 'select pg_sleep(600)';
    const long = [1, 2].map(() => runLong(database, 'building an index', text, stop.signal));
    const ended = Promise.allSettled(long);
    await waitFor('both to run', async () => (await active(database, text)) === 2);
    expect(await database.ddl.query('dropping NOT NULL', 'select 1 as n')).toEqual(one);
    stop.abort(new Error('asked to stop'));
    const settled = await withinLimit('both to be cancelled', ended);
    expect(settled).toEqual([1, 2].map(() => ({ status: 'rejected', reason: stop.signal.reason as unknown })));
  });

  it('by a slot that waits for an open transaction leave the others to the relays', async () => {
    const database = await open({ stream: 1 });
    const holder = new pg.Client({ connectionString: database.settings.urls.state });
    await holder.connect();
    closing.push(() => holder.end());
    await holder.query('begin; select pg_current_xact_id()');
    const stop = new AbortController();
    const name = `hw_${unique()}`;
    const ended = Promise.allSettled([createSlot(database, { name, timeoutMs: 600_000, signal: stop.signal })]);
    await waitFor(
      'the slot to wait',
      async () => (await active(database, 'pg_create_logical', `wait_event_type = 'Lock'`)) === 1,
    );
    expect(await database.stream.query('comparing the publication', 'select 1 as n')).toEqual(one);
    stop.abort(new Error('asked to stop'));
    expect(await withinLimit('the slot to be given up', ended)).toEqual([
      { status: 'rejected', reason: stop.signal.reason as unknown },
    ]);
  });
});

it('an assertion ends when it is asked to, instead of with its time', async () => {
  const database = await open();
  const stop = new AbortController(); // its own time is 30 s
  const text = 'select count(*) from pg_sleep(600)';
  const ended = Promise.allSettled([runAssertions(database.fill, { slow: text, never: text }, stop.signal)]);
  await waitFor('it to run', async () => (await active(database, text)) === 1);
  stop.abort(new Error('asked to stop'));
  expect(await withinLimit('it to end', ended, 25_000)).toMatchObject([{ status: 'rejected' }]);
  await waitFor('the server to be done with it', async () => (await active(database, text)) === 0);
});

describe('entities whose identity a function of the team gives', () => {
  const schema = `
create table owner (id text primary key);
create table space (id text primary key);
create table doc (id text primary key, owner text, space text);
create function space_of(id text) returns text language plpgsql stable as $$ begin
  if id = 'bad' then raise exception 'no'; end if;
  if id = 'slow' then perform pg_catalog.pg_sleep(600); end if;
  return 's-' || id;
end $$`;
  const plan = `
highwater: 1
migration: functions
entities:
  - { table: space, from: owner, key: { id: { function: space_of, arguments: [id] } } }
tables:
  - { table: doc, target: { column: space, type: text }, rule: owner, references: none }
cutover: { mode: bridge, start: manual, window: 10m }
`;
  const prepared = async () => {
    const p = await prepare(await postgres.freshDatabase(), schema, plan, { allowedFunctions: ['public.space_of'] });
    closing.push(() => p.close());
    const [target] = p.entities;
    if (!target) throw new Error('no entity');
    await openGate(p.database.state, { migrationId: 'functions', short: target.short }, ['live', 'sweep']);
    return { ...p, target };
  };

  it('are made although it refuses even to look at one of them, which is listed, and making them ends', async () => {
    const { admin, database, target } = await prepared();
    await admin.query(
      `insert into owner select 'o' || g from generate_series(1, 40) g; insert into owner values ('bad')`,
    );
    const keys = ['bad', ...Array.from({ length: 40 }, (_, i) => `o${i + 1}`)].map((key) => ({ key: [key] }));
    const verdicts = new Map<string, string>();
    await waitFor('all of them to be judged', async () => {
      const open = keys.filter((source) => !verdicts.has(source.key.join()));
      const making = createEntities(database.fill, target, { kind: 'keys', keys: open }, { rowBudgetMs: 200 }, 'live');
      const outcome = await withinLimit('making them to end', making);
      if (outcome.kind !== 'judged') throw new Error(outcome.kind);
      // contended: the row budget was too short for a busy machine, look again
      outcome.verdicts.forEach(({ verdict }, i) => {
        if (verdict !== 'contended') verdicts.set(open[i]?.key.join() ?? '', verdict);
      });
      return verdicts.size === keys.length;
    });
    const wanted = keys.map(({ key: [key = ''] }) => [key, key === 'bad' ? 'unfillable' : 'made'] as const);
    expect(verdicts).toEqual(new Map(wanted));
    const { rows } = await admin.query('select count(*)::int as n from space');
    expect(rows).toEqual([{ n: 40 }]);
  });

  it('are no longer counted once it is asked to stop', async () => {
    const { admin, database, target } = await prepared();
    await admin.query(`insert into owner values ('slow')`);
    const stop = new AbortController();
    const limits = { timeoutMs: 600_000, signal: stop.signal };
    const ended = Promise.allSettled([countMissingEntities(database.fill, target, limits)]);
    await waitFor('the count to run', async () => {
      const { rowCount } = await admin.query(`select from pg_stat_activity where wait_event = 'PgSleep'`);
      return rowCount === 1;
    });
    stop.abort(new Error('asked to stop'));
    expect(await withinLimit('the count to end', ended)).toEqual([
      { status: 'rejected', reason: stop.signal.reason as unknown },
    ]);
  });
});

const docsPlan = `
highwater: 1
migration: docs
tables:
  - { table: doc, target: { column: space, type: text }, rule: owner, references: none }
cutover: { mode: bridge, start: manual, window: 10m }
`;
/** One table whose rows get what another of their columns holds. */
async function docs(): Promise<{ p: Prepared; target: FillTarget }> {
  const schema = 'create table doc (id int primary key, owner text, space text)';
  const p = await prepare(await postgres.freshDatabase(), schema, docsPlan);
  closing.push(() => p.close());
  const [target] = p.targets;
  if (!target) throw new Error('no target');
  return { p, target };
}

it('a sweeper stops in the middle of a vacuum, which may take minutes', async () => {
  const { p, target } = await docs();
  const { admin, database, roles } = p;
  await admin.query(
    `alter role ${roles.ddl} set vacuum_cost_delay = '100ms'; alter role ${roles.ddl} set vacuum_cost_limit = 1;
     insert into doc select g, 'o' || g from generate_series(1, 45000) g`,
  );
  await openGate(database.state, { migrationId: 'docs', short: target.short }, ['live', 'sweep']);
  await createRanges(database.fill, target, { epoch: 1, workers: 1, chunkRowsMax: 5_000 });
  const said: string[] = [];
  const quiet = (): void => undefined;
  const say = (_: object, what: string): void => void said.push(what);
  const sweeper = new Sweeper({
    database,
    migrationId: 'docs',
    epoch: 1,
    stream: null,
    targets: p.targets,
    limits: p.plan.limits,
    logger: { debug: quiet, info: quiet, warn: say, error: say },
  });
  closing.push(() => sweeper.stop());
  await sweeper.start();
  const vacuums = () => active(database, 'vacuum (');
  await waitFor('a vacuum', async () => (await vacuums()) === 1);
  await withinLimit('the sweeper to stop', sweeper.stop());
  await waitFor('the vacuum to be over', async () => (await vacuums()) === 0);
  expect([sweeper.status().state, said]).toEqual(['stopped', []]);
});

it('a Kafka that answers nothing keeps neither what is new in another migration waiting nor what is told of it', async () => {
  const { p } = await docs();
  const { admin, database } = p;
  const stream: StreamInfo = {
    epoch: 1,
    slot: 'hw_docs',
    publication: 'hw_docs',
    publicationOid: 1,
    publicationDefinition: '',
    topic: 'docs.hints',
    topicId: 'docs',
    partitions: 1,
    deadLetterTopic: 'docs.dead-letter',
    systemIdentifier: '1',
  };
  const other = docsPlan.replace('migration: docs', 'migration: other');
  await admin.query(`update highwater.migration set phase = 'sweeping', epoch = 1, stream = $1`, [stream]);
  const warned: string[] = [];
  const logger = Object.assign(createLogger({ name: 'test', level: 'fatal' }), {
    warn: (_: object, what: string): void => void warned.push(what),
  });
  const asking: Socket[] = [];
  const swallows = createServer((socket) => void asking.push(socket.resume())).listen(0, '127.0.0.1');
  const letGo = (): void => {
    swallows.close();
    for (const socket of asking) socket.destroy();
  };
  await once(swallows, 'listening');
  const broker = `127.0.0.1:${(swallows.address() as AddressInfo).port}`;
  const kafka = { brokers: [broker], clientId: 'test', topicPrefix: 'docs' };
  const context = { database, kafka, logger, metrics: createMetrics() } as unknown as ControlContext;
  const workers = new Workers(context, new Set(['sweeper', 'filler']), { onFatal: () => undefined });
  closing.push(async () => {
    letGo();
    await workers.stop();
  });
  workers.start();
  await waitFor('the filler to ask for Kafka', () => asking.length > 0, { describe: () => workers.status() });
  // new while that reconcile is under way, and for as long as nothing is let go
  await admin.query(
    `insert into highwater.migration (id, short, plan_source, plan_hash, phase, epoch) values ('other', '00000000', $1, 'x', 'sweeping', 1)`,
    [other],
  );
  const told = async (): Promise<string[]> =>
    (await Promise.all(['docs', 'other'].map((id) => readWorkers(database.state, id)))).flat().map(({ role }) => role);
  await waitFor('both sweeps to be told', async () => (await told()).length === 2, { describe: told });
  expect([warned, workers.reason]).toEqual([[], null]); // the filler still asks for Kafka
  letGo();
  await waitFor('the filler to be told of', () => workers.reason !== null, { describe: () => workers.status() });
  expect(workers.reason).toMatch(/^filler of migration "docs": /);
  expect([...new Set(warned)]).toEqual(['worker could not be started or stopped; tried again']);
});

it('of tail passes that are long over the sums are kept', async () => {
  const { p, target } = await docs();
  const passes = 60;
  for (let pass = 1; pass <= passes; pass += 1) {
    await createTailPass(p.database.fill, target, { epoch: 1, pass });
    await p.admin.query(
      `update highwater.sweep_range set done = true, started_at = now(), finished_at = now(), rows_scanned = 3, rows_filled = 2 where pass = ${pass}`,
    );
  }
  const [progress] = await readFillProgress(p.database.state, 'docs', 1);
  expect(progress).toMatchObject({ pass: passes, openRanges: 0, filled: { sweep: 0, tailPass: 2 * passes } });
  const { rows } = await p.admin.query(
    'select count(*)::int as ranges, sum(rows_scanned)::int as scanned from highwater.sweep_range',
  );
  expect(rows).toEqual([{ ranges: 20, scanned: 3 * passes }]);
});

it('applications whose name says which connection they are do not fill the list of who needs the bridge', async () => {
  const { p, target } = await docs();
  const connections = 3_000;
  const use = (n: number): BridgedStatement => ({
    targetNo: 0,
    applicationName: `web - 10.0.0.7:${n}`,
    sessionUser: 'web',
    outcome: 'resolved',
    lsn: parseLsn(`1/${n.toString(16)}`),
  });
  const told = Array.from({ length: connections }, (_, i) => use(i + 1));
  const record = (uses: readonly BridgedStatement[]) =>
    recordBridgedStatements(p.database.state, target.migrationId, target.short, uses);
  for (let from = 0; from < connections; from += 100) await record(told.slice(from, from + 100));
  await record(told.slice(-150)); // told again by a relay that took over
  await record([use(1), { ...use(connections), lsn: parseLsn('2/1') }]);
  const uses = await readBridgeUses(p.database.state, 'docs');
  expect(uses.length).toBeLessThan(500);
  expect(uses.reduce((sum, one) => sum + one.statements, 0n)).toBe(BigInt(connections + 1));
  expect(uses[0]).toMatchObject({ applicationName: 'other applications', targetNo: 0, outcome: 'resolved' });
});

it('a service that is stopped while it connects ends without an error', async () => {
  const url = await postgres.freshDatabase();
  const proxy = await openFaultProxy({ port: postgres.server().port, protocol: 'postgres' });
  closing.push(() => proxy.close());
  await proxy.down();
  const engine = await createEngine(
    {
      database: urlsOf(proxy.url(url)),
      kafka: undefined,
      topicPrefix: 'unused',
      kafkaSessionMs: undefined,
      roles: ['control'],
      http: { host: '127.0.0.1', port: 0, allowedHosts: [] },
      logLevel: 'fatal',
    },
    createLogger({ name: 'test', level: 'fatal' }),
    { waitForDatabase: true },
  );
  const started = Promise.allSettled([engine.start(['control'])]);
  proxy.latency({ ms: 200 });
  await proxy.up();
  await waitFor('it to connect', () => proxy.connections() > 0);
  await stopEngine(engine);
  expect(await withinLimit('its start to end', started)).toEqual([{ status: 'fulfilled', value: undefined }]);
});

it('control begins nothing once it is asked to stop, though it waits for an answer itself', async () => {
  const { p } = await docs();
  let [held, waiting] = [false, false];
  let answer: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (answer = resolve));
  const { state } = p.database;
  const slow = Object.assign(Object.create(state) as typeof state, {
    query: async (...given: Parameters<typeof state.query>) => {
      if (held && given[0] === 'listing migrations') {
        waiting = true;
        await answered;
      }
      return state.query(...given);
    },
  });
  let rounds = 0;
  const waits = new (class extends Waits {
    override during<T>(what: string, work: () => Promise<T> | T): Promise<T> {
      if (what.endsWith('of control/docs')) rounds += 1;
      return super.during(what, work);
    }
  })();
  const logger = createLogger({ name: 'test', level: 'silent' });
  const context = { database: { ...p.database, state: slow }, logger, metrics: createMetrics() };
  const control = new Control(context as unknown as ControlContext, waits);
  await control.start();
  await waitFor('its rounds', () => rounds > 5, { describe: () => control.reason });
  held = true;
  await waitFor('it to look at the migrations', () => waiting);
  const [asked, before] = [performance.now(), rounds];
  const stopping = control.stop();
  await waitFor('the time of four rounds', () => performance.now() - asked > 1_000);
  const after = rounds;
  answer();
  await withinLimit('control to stop', stopping);
  expect(after).toBe(before);
});
