import { Kafka, logLevel, type Consumer } from 'kafkajs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  DeadLetterProducer,
  deleteTopics,
  ensureTopics,
  HintConsumer,
  HintProducer,
  kafkaReachable,
  topicFacts,
  type HintConsumerOptions,
  type KafkaSettings,
  type OffsetLoss,
} from '@highwater/messaging';
import { must } from '@highwater/kernel';
import { brokers, unique, waitFor } from '../support/stack.js';

let kafka: KafkaSettings;
const topics: string[] = [];
const closing: (() => Promise<void>)[] = [];
beforeAll(async () => {
  kafka = { brokers: await brokers(), clientId: 'test', topicPrefix: 'test' };
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
  await deleteTopics(kafka, topics.splice(0));
});

async function freshTopic(partitions = 2): Promise<{ topic: string; topicId: string }> {
  const topic = `test.messaging-${unique()}`;
  topics.push(topic);
  await ensureTopics(kafka, [{ topic, partitions }]);
  return { topic, topicId: must(await topicFacts(kafka, topic), 'the topic just created').topicId };
}

async function send(topic: string, values: readonly string[], partition = 0): Promise<void> {
  const producer = new HintProducer(kafka, topic);
  await producer.connect();
  await producer.send(values.map((value) => ({ partition, value })));
  await producer.close();
}

interface Seen {
  readonly consumer: HintConsumer;
  readonly values: string[];
  readonly assignments: { partitions: readonly number[]; generation: number }[];
  readonly losses: OffsetLoss[];
}

async function consume(
  at: { topic: string; topicId: string },
  group: string,
  more: Partial<HintConsumerOptions> = {},
): Promise<Seen> {
  const seen: Omit<Seen, 'consumer'> = { values: [], assignments: [], losses: [] };
  const consumer = new HintConsumer({
    kafka,
    ...at,
    group,
    // what is read is counted: a machine that stands still for some seconds is no member that has gone
    sessionTimeoutMs: 20_000,
    onBatch: ({ records }) => {
      for (const { value } of records) seen.values.push(value?.toString() ?? '');
      return Promise.resolve();
    },
    onAssigned: (partitions, generation) => seen.assignments.push({ partitions, generation }),
    onRevoked: () => undefined,
    onOffsetsLost: (loss) => seen.losses.push(loss),
    ...more,
  });
  closing.push(() => consumer.stop());
  await consumer.start();
  return { consumer, ...seen };
}
const generationOf = (seen: Seen): number => must(seen.assignments.at(-1), 'an assignment').generation;

describe('topics', () => {
  it('are created once, refused with another partition count, and told apart from their namesakes', async () => {
    const { topic, topicId } = await freshTopic(3);
    await ensureTopics(kafka, [{ topic, partitions: 3 }]);
    expect(await topicFacts(kafka, topic)).toEqual({ topicId, partitions: 3 });
    await expect(ensureTopics(kafka, [{ topic, partitions: 4 }])).rejects.toMatchObject({
      code: 'HW3102',
      message: `topic ${topic} has 3 partitions, expected 4`,
    });
    await deleteTopics(kafka, [topic, 'test.never-there']);
    expect(await topicFacts(kafka, topic)).toBeUndefined();
    await ensureTopics(kafka, [{ topic, partitions: 3 }]);
    expect((await topicFacts(kafka, topic))?.topicId).not.toBe(topicId);
  });

  it('name the brokers and the settings when none answers', async () => {
    expect(await kafkaReachable(kafka)).toBeGreaterThan(0);
    await expect(kafkaReachable({ ...kafka, brokers: ['127.0.0.1:1'] })).rejects.toMatchObject({
      code: 'HW3101',
      message: expect.stringContaining('no Kafka broker answered at 127.0.0.1:1'),
      help: expect.stringContaining('HIGHWATER_KAFKA_BROKERS'),
    });
  });

  it('refuse a password in the clear', async () => {
    const sasl = { mechanism: 'plain', username: 'u', password: 'p' } as const;
    await expect(topicFacts({ ...kafka, sasl }, 't').then(() => 0)).rejects.toMatchObject({ code: 'HW3103' });
  });
});

describe('hint consumer', () => {
  it('goes on from what was committed, not from what was delivered', async () => {
    const at = await freshTopic();
    const group = `test.${unique()}`;
    await send(at.topic, ['a', 'b', 'c']);
    const first = await consume(at, group);
    await waitFor('three', () => first.values.length === 3, { describe: () => first });
    await first.consumer.commit(generationOf(first) - 1, [{ partition: 0, next: 3n }]); // of an assignment that is over: dropped
    await first.consumer.commit(generationOf(first), [{ partition: 0, next: 1n }]);
    await first.consumer.stop();
    const second = await consume(at, group);
    await waitFor('two again', () => second.values.length === 2, { describe: () => second });
    expect([second.values, second.losses]).toEqual([['b', 'c'], []]);
  });

  it('delivers again what its handler refused', async () => {
    const at = await freshTopic(1);
    await send(at.topic, ['a']);
    const tries: string[] = [];
    const seen = await consume(at, `test.${unique()}`, {
      onBatch: ({ records }) => {
        for (const { value } of records) tries.push(String(value));
        return tries.length < 2 ? Promise.reject(new Error('not now')) : Promise.resolve();
      },
    });
    await waitFor('a second try', () => tries.length === 2, { describe: () => tries });
    expect([tries, seen.losses]).toEqual([['a', 'a'], []]);
  });

  it('shares partitions with a second member and takes them back, each assignment a new generation', async () => {
    const at = await freshTopic(2);
    const group = `test.${unique()}`;
    const first = await consume(at, group, { sessionTimeoutMs: 6_000 });
    await waitFor('both', () => first.assignments.at(-1)?.partitions.length === 2, {
      describe: () => first.assignments,
    });
    const alone = generationOf(first);
    const second = await consume(at, group, { sessionTimeoutMs: 6_000 });
    await waitFor(
      'one each',
      () => first.assignments.at(-1)?.partitions.length === 1 && second.assignments.at(-1)?.partitions.length === 1,
      {
        describe: () => [first.assignments, second.assignments],
      },
    );
    expect(generationOf(first)).toBeGreaterThan(alone);
    await second.consumer.stop();
    await waitFor('both again', () => first.assignments.at(-1)?.partitions.length === 2, {
      describe: () => first.assignments,
    });
  });

  it('stops a paused partition and goes on with it', async () => {
    const at = await freshTopic(1);
    const seen = await consume(at, `test.${unique()}`);
    await waitFor('the assignment', () => seen.assignments.length > 0);
    seen.consumer.pause([0]);
    const other = await consume(at, `test.${unique()}`);
    await send(at.topic, ['a']);
    await waitFor('it to arrive elsewhere', () => other.values.length === 1, { describe: () => other });
    expect(seen.values).toEqual([]);
    seen.consumer.resume([0]);
    await waitFor('it to arrive here', () => seen.values.length === 1, { describe: () => seen });
  });

  it('may be told to pause and to go on while kafkajs is on its way out of a crash', async () => {
    const at = await freshTopic(1);
    const seen = await consume(at, `test.${unique()}`);
    await waitFor('the assignment', () => seen.assignments.length > 0);
    const { consumer: inner } = seen.consumer as unknown as { consumer: Consumer };
    await inner.stop(); // what kafkajs does before it says that it crashed
    seen.consumer.pause([0]);
    seen.consumer.resume([0]);
    seen.consumer.startOver('it crashed');
    await send(at.topic, ['a']);
    await waitFor('it to go on', () => seen.values.length === 1, { describe: () => seen });
  });

  it('says so when the group does not take it in, instead of waiting for records that nobody fetches', async () => {
    const joining = consume(await freshTopic(1), `test.${unique()}`, { sessionTimeoutMs: 86_400_000 });
    await expect(joining).rejects.toThrow(/session timeout/i);
  });

  it('tells of records that were removed before it read them', async () => {
    const at = await freshTopic(1);
    await send(at.topic, ['a', 'b', 'c']);
    const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.fetchTopicOffsets(at.topic); // kafkajs loads the topic's metadata
    await admin.deleteTopicRecords({ topic: at.topic, partitions: [{ partition: 0, offset: '2' }] });
    await admin.disconnect();
    const seen = await consume(at, `test.${unique()}`);
    await waitFor('what is left', () => seen.values.length === 1, { describe: () => seen });
    expect(seen.losses).toEqual([{ partition: 0, expected: 0n, found: 2n }]);
  });

  it('skips nothing of a topic created again, whatever offset its namesake left behind', async () => {
    const before = await freshTopic(1);
    const group = `test.${unique()}`;
    await send(before.topic, ['a', 'b', 'c']);
    await deleteTopics(kafka, [before.topic]);
    await ensureTopics(kafka, [{ topic: before.topic, partitions: 1 }]);
    const after = { topic: before.topic, topicId: must(await topicFacts(kafka, before.topic), 'created').topicId };
    const late = await consume(before, group); // of the old epoch; commits by name
    await waitFor('its assignment', () => late.assignments.length > 0);
    await late.consumer.commit(generationOf(late), [{ partition: 0, next: 2n }]);
    await late.consumer.stop();
    await send(after.topic, ['x', 'y', 'z']);
    const seen = await consume(after, group);
    await waitFor('all three', () => new Set(seen.values).size === 3, { describe: () => seen });
    expect([[...new Set(seen.values)].sort(), seen.losses]).toEqual([['x', 'y', 'z'], []]);
  });
});

describe('dead letters', () => {
  it('carry reason and position, and nothing of the record', async () => {
    const { topic } = await freshTopic(1);
    const producer = new DeadLetterProducer(kafka, topic);
    await producer.connect();
    await producer.send([{ reason: 'NotJson', topic: 'hints', partition: 3, offset: 12n }]);
    await producer.close();
    const reader = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).consumer({
      groupId: `test.${unique()}`,
    });
    closing.push(() => reader.disconnect());
    await reader.connect();
    await reader.subscribe({ topics: [topic], fromBeginning: true });
    const found: unknown[] = [];
    await reader.run({
      eachMessage: ({ message }) => {
        found.push([
          message.value,
          Object.fromEntries(Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)])),
        ]);
        return Promise.resolve();
      },
    });
    await waitFor('the letter', () => found.length === 1);
    expect(found).toEqual([[null, { reason: 'NotJson', topic: 'hints', partition: '3', offset: '12' }]]);
  });
});
