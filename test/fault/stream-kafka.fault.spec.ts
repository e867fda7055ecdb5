import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine, type Engine, type Settings } from '@highwater/roles';
import { deleteTopics, ensureTopics, topicNames } from '@highwater/messaging';
import { createLogger } from '@highwater/telemetry';
import { streamPlan } from '../support/engine-run.js';
import { openFaultProxy, type FaultProxy } from '../support/fault-proxy.js';
import { oldApplication } from '../support/old-application.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { stopEngine } from '../support/stop-engine.js';
import { startPausedStreamRun, startStreamRun, type StreamRun } from '../support/stream-run.js';

/** What Kafka settings a run was given, with its brokers behind a proxy. */
async function behindProxy(): Promise<{ proxy: FaultProxy; change: (settings: Settings) => Settings }> {
  const proxy = await openFaultProxy({ port: 1, protocol: 'kafka' });
  return {
    proxy,
    change: (settings) => {
      const { kafka } = settings;
      if (!kafka) throw new Error('the run has no Kafka');
      proxy.pointTo(Number(kafka.brokers[0]?.split(':')[1]));
      return { ...settings, kafka: { ...kafka, brokers: [proxy.broker] } };
    },
  };
}

describe.sequential('Kafka is away', () => {
  const cluster = usePostgres({
    settings: { max_slot_wal_keep_size: '96MB', max_wal_size: '64MB', min_wal_size: '32MB' },
  });
  const warnings: { msg: string; percent?: number }[] = [];
  let run: StreamRun;
  let proxy: FaultProxy;
  let application: ReturnType<typeof oldApplication>;
  beforeAll(async () => {
    const link = await behindProxy();
    proxy = link.proxy;
    run = await startPausedStreamRun(await cluster.freshDatabase(), 'kafka-away', {
      plan: streamPlan('kafka-away', 'retainedWal: 1GiB, onBreak: rebuild'),
      change: link.change,
      log: (line) => {
        const entry = JSON.parse(line) as { level: string; msg: string; percent?: number };
        if (entry.level === 'warn' || entry.level === 'info') warnings.push(entry);
      },
    });
    await run.prepared.admin.query('create table ballast (filler text)');
    application = oldApplication(await run.client('old-app'), 10);
  });
  afterAll(async () => {
    await application.stop();
    await run.close();
    await proxy.close();
  });

  /** Until so much of what the server keeps is kept; asked of the server, since nothing of ours need look for that. */
  const growTo = (share: number): Promise<unknown> =>
    waitFor(`${share * 100} % of the WAL that the server keeps`, async () => {
      await run.prepared.admin.query(
        `insert into ballast select repeat(md5(g::text), 60) from generate_series(1, 700) g`,
      );
      const { rows } = await run.prepared.admin.query<{ share: string | null }>(
        `select r / (r + greatest(safe_wal_size, 0)) as share
           from pg_replication_slots, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) r`,
      );
      return rows[0]?.share === null || Number(rows[0]?.share) > share;
    });
  const alarm = (mark: number): Promise<string> =>
    waitFor(`the alarm at ${mark} %`, () => warnings.find((one) => one.percent === mark)?.msg);

  it('F70 the application notices nothing, the slot keeps the WAL, and an alarm names the cause (G6, I14)', async () => {
    await proxy.down();
    await run.insert('while Kafka is away');
    const before = application.statements();
    await growTo(0.76);
    expect(await alarm(75)).toMatch(/no relay reads it|the relay is .* behind/);
    const status = await waitFor(
      'the alarm in the status',
      async () => (await run.engine.control.get(run.id)).slot?.alarm ?? undefined,
    );
    expect(status).toMatch(/that the server keeps \(max_slot_wal_keep_size\)/);
    await waitFor('the condition', async () => (await run.condition('SlotHealthy'))?.status === 'False', {
      describe: () => run.condition('SlotHealthy'),
    });
    await waitFor('the application to go on', () => application.statements() > before + 50);
    expect(application.failed).toEqual([]);
    await proxy.up();
    await waitFor('what waited to be filled', () => run.isFilled('while Kafka is away'));
    await run.streams();
    await run.prepared.admin.query('checkpoint');
    await waitFor('the alarm to end', () => warnings.some((one) => one.msg.startsWith('retained WAL is below 75%')));
    expect((await run.events()).some((event) => event.type === 'StreamBroken')).toBe(false);
    // said in the log before it is stored
    await waitFor('no alarm in the status', async () => (await run.engine.control.get(run.id)).slot?.alarm === null);
  });

  it('F34 the server gives the slot up at max_slot_wal_keep_size: alarm first, then a new epoch', async () => {
    warnings.length = 0;
    await proxy.down();
    await run.insert('of the lost slot');
    await growTo(0.91);
    expect(await alarm(90)).toMatch(/\(9\d%\)/);
    await waitFor('the slot to be lost', async () => {
      await run.prepared.admin.query(
        `insert into ballast select repeat(md5(g::text), 60) from generate_series(1, 5000) g`,
      );
      await run.prepared.admin.query('checkpoint');
      return (
        (await run.prepared.admin.query(`select from pg_replication_slots where wal_status = 'lost'`)).rowCount === 1
      );
    });
    await waitFor('the condition', async () => (await run.condition('SlotHealthy'))?.reason === 'Lost');
    await proxy.up();
    expect(await run.broken(1)).toMatchObject({ reason: 'SlotLost' });
    await run.rebuilt(2);
    await run.streams();
    await run.resume();
    await run.until('bridged');
    await application.stop();
    expect(application.failed).toEqual([]);
    await run.settled();
  });
});

describe.sequential('a topic that is not what it was', () => {
  const cluster = usePostgres();
  let run: StreamRun;
  let settings: Settings;
  const kafka = (): NonNullable<Settings['kafka']> => {
    if (!settings.kafka) throw new Error('the run has no Kafka');
    return settings.kafka;
  };
  const topic = (): string => topicNames(kafka().topicPrefix, run.id).hints;
  const filler = async (): Promise<Engine> => {
    const engine = await createEngine(
      { ...settings, roles: ['filler'] },
      createLogger({ name: 'filler', level: 'silent' }),
    );
    await engine.start(['filler']);
    return engine;
  };
  beforeAll(async () => {
    run = await startStreamRun(await cluster.freshDatabase(), 'topic', {
      roles: ['control', 'relay', 'sweeper'],
      change: (given) => (settings = given),
    });
    await run.pause();
    await run.rebuilt(1);
  });
  afterAll(() => run.close());

  it('F72 deleted and made again under its name', async () => {
    const member = await filler();
    await run.streams();
    await run.insert('of the deleted topic');
    await deleteTopics(kafka(), [topic()]);
    await waitFor('the topic to be made again', () =>
      ensureTopics(kafka(), [{ topic: topic(), partitions: 4 }]).then(() => true),
    );
    expect(['TopicRecreated', 'TopicMissing', 'OffsetsLost']).toContain((await run.broken(1)).reason);
    await run.rebuilt(2);
    await run.streams();
    await stopEngine(member);
  });

  it('F73 retention removes hints that nobody has read', async () => {
    const admin = new Kafka({ brokers: [...kafka().brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    const ends = async (): Promise<{ partition: number; offset: string }[]> =>
      (await admin.fetchTopicOffsets(topic())).map(({ partition, high }) => ({ partition, offset: high }));
    const sum = (all: { offset: string }[]): number => all.reduce((total, one) => total + Number(one.offset), 0);
    const before = sum(await ends());
    for (let n = 0; n < 20; n += 1) await run.insert(`unread ${n}`);
    await waitFor('their hints', async () => sum(await ends()) >= before + 20);
    await admin.deleteTopicRecords({ topic: topic(), partitions: await ends() });
    await admin.disconnect();
    const member = await filler();
    await run.insert('after the gap'); // a gap is noticed at the first record behind it
    expect(await run.broken(2)).toMatchObject({ reason: 'OffsetsLost' });
    await run.rebuilt(3);
    await run.streams();
    expect(await run.isFilled('unread 7')).toBe(false);
    await run.resume();
    await run.until('bridged');
    await run.settled();
    await stopEngine(member);
  });
});
