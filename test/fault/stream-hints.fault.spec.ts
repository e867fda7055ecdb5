import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { topicFacts, topicNames } from '@highwater/messaging';
import type { Settings } from '@highwater/roles';
import { streamPlan } from '../support/engine-run.js';
import { watchFills } from '../support/proxied-run.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { collectHints } from '../support/stream.js';
import { startStreamRun, type StreamRun } from '../support/stream-run.js';

/* Whoever may write to the topic sends again, forges and poisons. The sweep is paused: only the stream fills. */
const cluster = usePostgres();
let run: StreamRun;
let settings: Settings;
let fills: Awaited<ReturnType<typeof watchFills>>;
const kafka = (): NonNullable<Settings['kafka']> => {
  if (!settings.kafka) throw new Error('the run has no Kafka');
  return settings.kafka;
};
const topic = (): string => topicNames(kafka().topicPrefix, run.id).hints;

beforeAll(async () => {
  run = await startStreamRun(await cluster.freshDatabase(), 'hints', {
    plan: `${streamPlan('hints')}accept: [TriggerOnUpdate]\n`,
    // what is sent is counted here: no machine that stands still for a moment may make it come twice
    change: (given) => (settings = { ...given, kafkaSessionMs: 30_000 }),
    beside: async ({ admin }) => void (fills = await watchFills(admin)),
  });
  await run.pause();
  await run.rebuilt(1);
});
afterAll(() => run.close());

/** To partitions of its own choice, as no relay of ours would. */
async function send(values: readonly (string | null)[]): Promise<void> {
  const producer = new Kafka({ brokers: [...kafka().brokers], logLevel: logLevel.NOTHING }).producer({
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  await producer.send({ topic: topic(), messages: values.map((value, n) => ({ value, partition: n % 4 })) });
  await producer.disconnect();
}
const deadLetters = async (): Promise<number> => {
  const admin = new Kafka({ brokers: [...kafka().brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topicNames(kafka().topicPrefix, run.id).deadLetter);
  await admin.disconnect();
  return offsets.reduce((sum, { high }) => sum + Number(high), 0);
};
const tally = async (): Promise<{ already: number; gone: number; deadLetter: number }> =>
  (await run.engine.control.get(run.id)).hints;
const shuffled = <T>(all: readonly T[]): T[] =>
  all
    .map((one, n) => [(n * 7919) % 1009, one] as const)
    .sort(([a], [b]) => a - b)
    .map(([, one]) => one);

it('F78 every hint ten times more and in another order: nothing is written again', async () => {
  for (let n = 0; n < 40; n += 1) await run.insert(`again ${n}`);
  const facts = await topicFacts(kafka(), topic());
  const seen = await collectHints(kafka(), { topic: topic(), topicId: facts?.topicId ?? '' });
  await waitFor('forty hints', () => seen.keys().length >= 40);
  await seen.stop();
  const filled = async (): Promise<number> =>
    (await run.prepared.admin.query(`select from "Activity" where title like 'again %' and "workspaceId" = 'o2'`))
      .rowCount ?? 0;
  await waitFor('their rows', async () => (await filled()) === 40, { describe: filled });
  await run.streams();
  const before = await fills();
  const { already } = await tally();
  const copies = seen.hints.flatMap(({ hint }) =>
    hint.kind === 'row' ? Array.from({ length: 10 }, () => JSON.stringify(hint)) : [],
  );
  await send(shuffled(copies));
  await waitFor('a verdict on each', async () => (await tally()).already >= already + copies.length, {
    describe: tally,
  });
  expect(await fills()).toEqual(before);
});

it('F79 F80 poison goes to the dead-letter topic and forged hints have no effect; neither keeps a later hint waiting', async () => {
  const before = await tally();
  const watched = await fills();
  const forged = (change: object): string =>
    JSON.stringify({
      v: 1,
      kind: 'row',
      migration: run.id,
      epoch: 1,
      table: ['public', 'Activity'],
      key: ['1'],
      xid: '3',
      lsn: '0/1',
      ...change,
    });
  await send([
    'not JSON',
    null,
    '[]',
    'x'.repeat(300_000),
    forged({ v: 2 }),
    forged({ epoch: 7 }),
    forged({ migration: 'other' }),
    forged({ table: ['public', 'Organization'] }),
    forged({ table: ['pg_catalog', 'pg_authid'] }),
    forged({ key: ['1; drop table "Activity"'] }),
    forged({ key: ['99999999'] }),
    forged({ xid: '18446744073709551615', key: ['88888888'] }),
  ]);
  for (let n = 0; n < 8; n += 1) await run.streams();
  await waitFor(
    'ten dead letters and two rows that are gone',
    async () => (await deadLetters()) === 10 && (await tally()).gone >= before.gone + 2,
    { describe: async () => [await deadLetters(), await tally()] },
  );
  await waitFor('the status to count them', async () => (await tally()).deadLetter === 10, { describe: tally });
  const now = await fills();
  expect([now.overwritten, now.otherColumns, now.fills - watched.fills]).toEqual([0, 0, 8]);
});
