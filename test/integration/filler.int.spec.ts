import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Kafka, logLevel } from 'kafkajs';
import pg from 'pg';
import { encodeHint, type BrokenStream, type StreamInfo } from '@highwater/change-stream';
import {
  deleteGroups,
  deleteTopics,
  ensureTopics,
  HintConsumer,
  HintProducer,
  topicFacts,
  topicNames,
  type KafkaSettings,
} from '@highwater/messaging';
import { Filler, type FillerOptions } from '@highwater/roles';
import { closeGate, openGate } from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { brokers, unique, usePostgres, waitFor, withinLimit } from '../support/stack.js';
import { withoutLimits } from '../support/without-limits.js';

const { server, freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text);
create table act (id bigint primary key, grp int references grp, org text, ws text);
insert into grp values (1, 'o1'), (2, 'o2'), (3, null)`;
const plan = `
highwater: 1
migration: filler
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
  - { table: act, target: { column: ws, type: text }, rule: { via: grp, then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
`;

let p: Prepared;
let kafka: KafkaSettings;
let stream: StreamInfo;
let producer: HintProducer;
const fillers: Filler[] = [];
const sessions: pg.Client[] = [];
const closing: (() => Promise<void>)[] = [];
const brokenStreams: BrokenStream[] = [];

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
});
afterAll(() => p.close());

beforeEach(async () => {
  kafka = { brokers: await brokers(), clientId: 'test', topicPrefix: `t${unique()}` };
  const names = topicNames(kafka.topicPrefix, 'filler');
  await ensureTopics(kafka, [
    { topic: names.hints, partitions: 2 },
    { topic: names.deadLetter, partitions: 1 },
  ]);
  const facts = await topicFacts(kafka, names.hints);
  stream = {
    epoch: 1, slot: 'none', publication: 'none', publicationOid: 0, publicationDefinition: '', systemIdentifier: '',
    topic: names.hints, topicId: facts?.topicId ?? '', partitions: 2, deadLetterTopic: names.deadLetter,
  }; // prettier-ignore
  producer = new HintProducer(kafka, names.hints);
  await producer.connect();
  await p.admin.query('truncate act; truncate highwater.fill_tally, highwater.unfillable_row, highwater.fence cascade');
  await openGate(p.database.state, gate(), ['live', 'sweep']);
});
afterEach(async () => {
  await Promise.all(fillers.splice(0).map((filler) => filler.stop()));
  await Promise.all(closing.splice(0).map((close) => close()));
  for (const session of sessions.splice(0)) await session.end().catch(() => undefined);
  await producer.close();
  await deleteTopics(kafka, [stream.topic, stream.deadLetterTopic]);
});

const gate = () => ({ migrationId: 'filler', short: p.targets[0]?.short ?? '' });
const quiet = () => undefined;
async function started(more: Partial<FillerOptions> = {}): Promise<Filler> {
  const filler = new Filler({
    database: p.database,
    kafka,
    migrationId: 'filler',
    stream,
    targets: p.targets,
    limits: { rowBudgetMs: 200 },
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    // a machine that stands still for some seconds is no member that has gone: what it reads would come twice
    sessionTimeoutMs: 20_000,
    onBroken: (broken) => brokenStreams.push(broken),
    ...more,
  });
  fillers.push(filler);
  await filler.start();
  return filler;
}
const row = (id: number | string, xid = '3', more: object = {}): string =>
  encodeHint({
    v: 1,
    kind: 'row',
    migration: 'filler',
    epoch: 1,
    table: ['public', 'act'],
    key: [String(id)],
    xid,
    lsn: '0/1',
    ...more,
  });
const fence = (token: string, partition: number): string =>
  encodeHint({ v: 1, kind: 'fence', migration: 'filler', epoch: 1, token, partition, partitions: 2, lsn: '0/1' });
const send = (...values: [partition: number, value: string | Buffer][]): Promise<void> =>
  producer.send(values.map(([partition, value]) => ({ partition, value })));
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
const nulls = async (): Promise<number> =>
  Number(((await rows('select count(*) from act where org is null or ws is null')) as [[string]])[0][0]);
const arrivals = async (): Promise<number> => (await rows('select 1 from highwater.fence_arrival')).length;
async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', quiet);
  await client.connect();
  sessions.push(client);
  return client;
}
async function committed(): Promise<string[]> {
  const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    const found = await admin.fetchOffsets({
      groupId: topicNames(kafka.topicPrefix, 'filler').group,
      topics: [stream.topic],
    });
    return (found[0]?.partitions ?? []).toSorted((a, b) => a.partition - b.partition).map((entry) => entry.offset);
  } finally {
    await admin.disconnect();
  }
}
const insertFence = (token: string): Promise<unknown> =>
  p.admin.query(
    `insert into highwater.fence (token, migration_id, epoch, partitions, topic_id, purpose) values ($1, 'filler', 1, 2, $2, 'test')`,
    [token, stream.topicId],
  );

describe('the filler', () => {
  it('fills every target of the hinted rows, answers fences, commits after the effect; what was not committed comes again without effect', async () => {
    await p.admin.query(`insert into act (id, grp) select g, 1 + g % 2 from generate_series(1, 300) g`);
    await insertFence('f1');
    for (let id = 1; id <= 300; id += 1) await send([id % 2, row(id)]);
    await send([0, fence('f1', 0)], [1, fence('f1', 1)], [0, row(999)]);
    const first = await started();
    await waitFor('the rows', async () => (await nulls()) === 0, { describe: () => first.status() });
    await waitFor('the fence', async () => (await arrivals()) === 2, { describe: () => first.status() });
    await waitFor('the offsets', async () => (await committed()).join() === '152,151', { describe: committed });
    expect(first.status()).toMatchObject({
      state: 'consuming',
      parked: 0,
      contended: 0,
      verdicts: { filled: 600, gone: 2 },
    });
    await first.stop();
    const before = await rows('select id, xmin::text from act order by id');

    // as after a kill between effect and offset: everything is delivered again
    await deleteGroups(kafka, [topicNames(kafka.topicPrefix, 'filler').group]);
    const second = await started();
    await waitFor(
      'the hints again',
      () => second.status().verdicts.already === 600 && second.status().verdicts.gone === 2,
    );
    expect(await rows('select id, xmin::text from act order by id')).toEqual(before);
    expect(
      await rows(
        'select target_no, sum(filled), sum(already), sum(gone) from highwater.fill_tally group by 1 order by 1',
      ),
    ).toEqual([
      [0, '300', '300', '2'],
      [1, '300', '300', '2'],
    ]);
  });

  it('parks a hint until its transaction is visible: nothing behind it is committed, no fence passes it', async () => {
    const writer = await session();
    await writer.query('begin; insert into act (id, grp) values (1, 1)');
    const { rows: found } = await writer.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
    await p.admin.query('insert into act (id, grp) values (2, 2)');
    await insertFence('f2');
    const filler = await started();
    await send([0, row(1, found[0]?.xid)], [0, row(2)], [0, fence('f2', 0)], [1, fence('f2', 1)]);
    await waitFor('the row behind', async () => (await nulls()) === 0, { describe: () => filler.status() });
    await waitFor('the other partition', async () => (await arrivals()) === 1);
    expect(filler.status()).toMatchObject({ parked: 1, unsettled: 2 });
    await writer.query('commit');
    await waitFor('the parked row and the fence', async () => (await nulls()) === 0 && (await arrivals()) === 2, {
      describe: () => filler.status(),
    });
    await waitFor('the offsets', async () => (await committed()).join() === '3,1', { describe: committed });
    expect(await rows('select parked, filled from highwater.fill_tally where target_no = 0')).toEqual([['1', '2']]);
  });

  it('judges a forged transaction id after five seconds, since nobody holds it', async () => {
    await p.admin.query('insert into act (id, grp) values (1, 1)');
    const filler = await started();
    await send([0, row(1, '9000000000000000000')]);
    await waitFor('the hint to be parked', () => filler.status().parked === 1);
    await waitFor('the row', async () => (await nulls()) === 0, { describe: () => filler.status() });
  });

  it('sends what is no hint of ours to the dead-letter topic, with reason and position, and goes on', async () => {
    await p.admin.query('insert into act (id, grp) values (1, 1)');
    await send(
      [0, 'not json'], [0, '{"v":9}'], [0, row(1, '3', { table: ['public', 'other'] })], [0, row(1, '3', { epoch: 7 })],
      [0, row(1, '3', { migration: 'another' })], [0, row('x')], [0, Buffer.alloc(0)], [0, row(1)],
    ); // prettier-ignore
    const filler = await started();
    await waitFor('the row', async () => (await nulls()) === 0, { describe: () => filler.status() });
    await waitFor('the offset', async () => (await committed())[0] === '8', { describe: committed });
    const reader = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).consumer({
      groupId: `g${unique()}`,
    });
    const letters = new Set<string>(); // at least once
    await reader.connect();
    await reader.subscribe({ topics: [stream.deadLetterTopic], fromBeginning: true });
    await reader.run({
      eachMessage: ({ message }) => {
        letters.add(
          `${String(message.headers?.['offset'])} ${String(message.headers?.['reason'])} ${message.value === null}`,
        );
        return Promise.resolve();
      },
    });
    await waitFor('the letters', () => letters.size === 7, { describe: () => [...letters] });
    await reader.disconnect();
    expect([...letters].toSorted()).toEqual([
      '0 NotJson true', '1 UnknownVersion true', '2 UnknownTable true', '3 OtherEpoch true',
      '4 OtherMigration true', '5 KeyNotUsable true', '6 NotJson true',
    ]); // prettier-ignore
  });

  it('tries a held row again, and leaves it to the tail pass when it stays held', async () => {
    await p.admin.query('insert into act (id, grp) values (1, 1), (2, 1)');
    const [short, long] = [await session(), await session()];
    await short.query('begin; update act set grp = 2 where id = 1');
    await long.query('begin; update act set grp = 2 where id = 2');
    const filler = await started();
    await send([0, row(1)], [1, row(2)]);
    await waitFor('both to be contended', () => filler.status().contended === 2, { describe: () => filler.status() });
    await short.query('commit');
    await waitFor('the offsets', async () => (await committed()).join() === '1,1', { describe: () => filler.status() });
    expect(await rows('select id, org, ws from act order by id')).toEqual([['1', 'o2', 'o2'], ['2', null, null]]); // prettier-ignore
    expect(filler.status().verdicts).toMatchObject({ filled: 2, contended: 2 });
  });

  it('keeps its hints while halted, and goes on when the gate opens', async () => {
    await closeGate(p.database.state, gate(), ['live', 'sweep']);
    await p.admin.query('insert into act (id, grp) values (1, 1), (2, 1)');
    const filler = await started();
    await send([0, row(1)], [1, row(2)]);
    await waitFor('the filler to hold', () => filler.status().state === 'held', { describe: () => filler.status() });
    expect(await nulls()).toBe(2);
    await openGate(p.database.state, gate(), ['live']);
    await waitFor('the rows', async () => (await nulls()) === 0, { describe: () => filler.status() });
    await waitFor('the offsets', async () => (await committed()).join() === '1,1');
  });

  it('survives a restart of the server', async () => {
    const filler = await started();
    await p.admin.query('insert into act (id, grp) select g, 1 from generate_series(1, 50) g');
    await send(...Array.from({ length: 25 }, (_, n): [number, string] => [n % 2, row(n + 1)]));
    await waitFor('the first rows', async () => (await nulls()) === 25);
    await server().restart?.('fast');
    await send(...Array.from({ length: 25 }, (_, n): [number, string] => [n % 2, row(n + 26)]));
    const admin = await waitFor('the server', () => session());
    await waitFor(
      'the rest',
      async () => (await admin.query('select from act where org is null or ws is null')).rowCount === 0,
      { describe: () => filler.status() },
    );
    // the test's own session died with the server
    await p.close().catch(quiet);
    p = await prepare(await freshDatabase(), schema, plan);
  });

  it('is not held by a fill of an assignment that is over', async () => {
    // the first fill of the row sleeps until it is ended: nothing of ours may wake it
    await p.admin.query(`
      create sequence fills_of_77;
      create function slow() returns trigger language plpgsql security definer set search_path = public as
        'begin if nextval(''fills_of_77'') = 1 then perform pg_sleep(600); end if; return new; end';
      create trigger slow before update on act for each row when (old.id = 77) execute function slow();
      insert into act (id, grp) values (77, 1), (78, 1)`);
    const unlimited = withoutLimits(p.database, ['statement_timeout']);
    closing.push(unlimited.close);
    const filler = await started({ database: { ...p.database, fill: unlimited.fill } });
    await send([0, row(77)]);
    const pid = await waitFor(
      'the fill to write',
      async () => ((await rows(`select pid from pg_stat_activity where wait_event = 'PgSleep'`)) as [[number]])[0]?.[0],
      { everyMs: 2 },
    );
    process.kill(pid, 'SIGSTOP');
    try {
      const state = (wanted: string) =>
        waitFor(`the filler to be ${wanted}`, () => filler.status().state === wanted, { everyMs: 2 });
      const again = state('joining').then(() => state('consuming'));
      // the session that watches over its commits ends with the others, and by that the assignment
      await rows(
        `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${p.roles.fill}' and pid <> ${pid}`,
      );
      await again;
      process.kill(pid, 'SIGTERM');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    // waits until that fill has given its row back; who looked at the row before may have left it to the tail pass
    await p.admin.query('drop function slow cascade; drop sequence fills_of_77');
    await send([0, row(77)], [1, row(78)]);
    await waitFor('the rows', async () => (await nulls()) === 0, { describe: () => filler.status() });
  });

  it('shares partitions in a group and takes over from one that leaves', async () => {
    const [a, b] = [await started({ sessionTimeoutMs: 4_000 }), await started({ sessionTimeoutMs: 4_000 })];
    await waitFor(
      'one partition each',
      () => a.status().partitions.length === 1 && b.status().partitions.length === 1,
      { describe: () => [a.status(), b.status()] },
    );
    await a.stop();
    await p.admin.query('insert into act (id, grp) values (1, 1), (2, 1)');
    await send([0, row(1)], [1, row(2)]);
    await waitFor('the rows', async () => (await nulls()) === 0, { describe: () => b.status() });
    expect(brokenStreams).toEqual([]);
  });

  it('fills as soon as the hint is there: no poll, no pace of its own in between', async () => {
    const filler = await started();
    // beside it somebody who does nothing with the record, and after it one statement of the application: what a fill cannot be without
    const arrived = new Map<string, () => void>();
    const bare = new HintConsumer({
      kafka, topic: stream.topic, topicId: stream.topicId, group: `g${unique()}`, onAssigned: quiet, onRevoked: quiet, onOffsetsLost: quiet,
      onBatch: ({ records }) => {
        for (const { value } of records) arrived.get(String(value))?.();
        return Promise.resolve();
      },
    }); // prettier-ignore
    closing.push(() => bare.stop());
    await bare.start();
    await waitFor('the assignment', () => filler.status().partitions.length === 2);
    const took: number[] = [];
    const leastMs: number[] = [];
    const sample = async (id: number): Promise<void> => {
      await p.admin.query('insert into act (id, grp) values ($1, 1)', [id]);
      const hint = row(id);
      const began = performance.now();
      const there = new Promise<number>((resolve) => arrived.set(hint, () => resolve(performance.now() - began)));
      await send([id % 2, hint]);
      await waitFor(
        'the row',
        async () => (await p.admin.query('select from act where id = $1 and ws is not null', [id])).rowCount === 1,
        { everyMs: 1 },
      );
      const filledMs = performance.now() - began;
      const arrivedMs = await withinLimit('the record to come to the other group', there);
      const asked = performance.now();
      await p.admin.query('update act set grp = 2 where id = $1', [id]);
      took.push(filledMs);
      leastMs.push(arrivedMs + performance.now() - asked);
    };
    for (let id = 1; id <= 61; id += 1) await sample(id);
    const median = (all: number[]): number => all.toSorted((x, y) => x - y)[30] ?? 0;
    const [fill, least] = [median(took), median(leastMs)];
    console.log(`hint → filled: p50 ${fill.toFixed(1)} ms; to read it and to write one row ${least.toFixed(1)} ms`);
    expect(fill / least).toBeLessThan(12);
  });
});
