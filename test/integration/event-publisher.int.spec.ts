import { readFile } from 'node:fs/promises';
import { createServer, connect, type AddressInfo } from 'node:net';
import { Kafka, logLevel, type KafkaMessage } from 'kafkajs';
import pg from 'pg';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventStore } from '@highwater/event-store';
import { openEventStore } from '@highwater/event-store';
import { EventTopicProducer } from '@highwater/messaging';
import { eventJsonSchemas } from '@highwater/migration';
import type { EventPublisherOptions, Lead } from '@highwater/roles';
import { EventPublisher } from '@highwater/roles';
import { historyTo } from '../../libs/migration/src/samples.js';
import { brokers, unique, usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function installed(): Promise<{ store: EventStore; lead: EventPublisherOptions['lead'] }> {
  const url = await postgres.freshDatabase('publisher');
  const admin = new pg.Client({ connectionString: url });
  await admin.connect();
  closers.push(() => admin.end());
  await admin.query(await readFile(new URL('../../libs/target-db/sql/0001_highwater.sql', import.meta.url), 'utf8'));
  const store = await openEventStore({ url, applicationName: 'highwater/test/state' });
  closers.push(() => store.close());
  /** The same kind of lead that the service takes: an advisory lock of a session of its own. */
  const lead = async (onLost: (error: Error) => void): Promise<Lead | undefined> => {
    const session = new pg.Client({ connectionString: url });
    session.on('error', onLost);
    await session.connect();
    const { rows } = await session.query('select pg_try_advisory_lock(1, 2) as led');
    if (rows[0].led) return { release: () => session.end() };
    await session.end();
    return undefined;
  };
  return { store, lead };
}

const settings = (addresses: string[], topicPrefix: string) => ({
  brokers: addresses,
  clientId: 'highwater-test',
  topicPrefix,
});

/** Reads the whole topic from its beginning with a client of its own. */
async function topicReader(topic: string): Promise<readonly KafkaMessage[]> {
  const kafka = new Kafka({ brokers: await brokers(), clientId: 'reader', logLevel: logLevel.NOTHING });
  const consumer = kafka.consumer({ groupId: `reader-${unique()}` });
  const messages: KafkaMessage[] = [];
  await consumer.connect();
  closers.push(() => consumer.disconnect());
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => void messages.push(message) });
  return messages;
}
const header = (message: KafkaMessage, name: string): string => String(message.headers?.[name]);
const idsOf = (messages: readonly KafkaMessage[]): string[] => messages.map((message) => header(message, 'ce_id'));
const ids = (stream: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `${stream}/${from + index}`);

async function producerTo(prefix: string, addresses?: string[]): Promise<EventTopicProducer> {
  const producer = new EventTopicProducer(settings(addresses ?? (await brokers()), prefix));
  closers.push(() => producer.close());
  return producer;
}

describe('event publisher', () => {
  it('publishes every event once, in order, as CloudEvents that fit the published schemas', async () => {
    const { store, lead } = await installed();
    const prefix = `t${unique()}`;
    const events = historyTo('finished');
    await store.append('m1', 0, events);
    await store.append('m2', 0, events.slice(0, 2));
    const publisher = new EventPublisher({ store, producer: await producerTo(prefix), lead, pollMs: 20 });
    await publisher.start();
    closers.push(() => publisher.stop());
    await waitFor('everything to be published', () => publisher.status().unpublished === 0, {
      describe: () => publisher.status(),
    });
    await store.append('m2', 2, events.slice(2, 4));
    publisher.wake();
    const messages = await topicReader(`${prefix}.events`);
    const total = events.length + 4;
    await waitFor(`${total} messages`, () => messages.length >= total, { describe: () => idsOf(messages) });
    expect(idsOf(messages)).toEqual([...ids('m1', 1, events.length), ...ids('m2', 1, 2), ...ids('m2', 3, 4)]);

    const ajv = new Ajv2020({ strict: false });
    addFormats.default(ajv);
    const schemas = eventJsonSchemas();
    for (const message of messages) {
      const schema = schemas[header(message, 'ce_type')];
      expect(schema, header(message, 'ce_type')).toBeDefined();
      const validate = ajv.getSchema(String(schema?.['$id'])) ?? ajv.compile(schema ?? {});
      expect(validate(JSON.parse(String(message.value))), JSON.stringify(validate.errors)).toBe(true);
      expect(header(message, 'ce_id')).toBe(`${String(message.key)}/${header(message, 'ce_sequence')}`);
      expect(header(message, 'ce_subject')).toBe(String(message.key));
    }
  });

  // 1. Kafka has the events. 2. The process dies before the checkpoint. 3. The next one publishes them again, under the same ids.
  it('publishes again under the same ids after a crash between Kafka and the checkpoint', async () => {
    const { store, lead } = await installed();
    const prefix = `t${unique()}`;
    await store.append('m', 0, historyTo('expanded'));
    const producer = await producerTo(prefix);
    const dying = new EventPublisher({
      producer,
      lead,
      store: {
        readAll: (after, limit) => store.readAll(after, limit),
        head: () => store.head(),
        checkpoint: (name) => ({ ...store.checkpoint(name), save: () => Promise.reject(new Error('killed here')) }),
      },
    });
    await expect(dying.publishNext()).rejects.toThrow('killed here');
    await dying.stop();
    const next = new EventPublisher({ store, producer: await producerTo(prefix), lead });
    closers.push(() => next.stop());
    expect(await next.publishNext()).toBe(3);
    expect(await next.publishNext()).toBe(0);
    const messages = await topicReader(`${prefix}.events`);
    await waitFor('six messages', () => messages.length >= 6, { describe: () => idsOf(messages) });
    expect(idsOf(messages)).toEqual([...ids('m', 1, 3), ...ids('m', 1, 3)]);
  });

  it('counts what is unpublished while Kafka is away, and catches up when it is back', async () => {
    const { store, lead } = await installed();
    const prefix = `t${unique()}`;
    await store.append('m', 0, historyTo('planned'));
    const away = await brokerAway((await brokers())[0] ?? '');
    // closed last: it waits for the producer to hang up
    closers.unshift(() => away.close());
    const fatal: Error[] = [];
    const producer = await producerTo(prefix, [away.address]);
    const publisher = new EventPublisher({
      store,
      producer,
      lead,
      pollMs: 20,
      pauseMsMax: 200,
      onFatal: (error) => fatal.push(error),
    });
    await publisher.start();
    closers.push(() => publisher.stop());
    await waitFor('the failure to be told', () => publisher.status().lastError !== null, {
      describe: () => publisher.status(),
    });
    expect(publisher.status()).toMatchObject({ active: true, unpublished: 1, lastError: { code: 'HW3101' } });
    away.comeBack();
    await waitFor('everything to be published', () => publisher.status().unpublished === 0, {
      describe: () => publisher.status(),
    });
    expect(publisher.status().lastError).toBeNull();
    expect(fatal).toEqual([]);
  });

  it('is active once, and the standby goes on from the checkpoint', async () => {
    const { store, lead } = await installed();
    const prefix = `t${unique()}`;
    const history = historyTo('swept');
    await store.append('m', 0, history.slice(0, 2));
    const [first, second] = [
      new EventPublisher({ store, producer: await producerTo(prefix), lead, pollMs: 20 }),
      new EventPublisher({ store, producer: await producerTo(prefix), lead, pollMs: 20 }),
    ];
    expect(await first.publishNext()).toBe(2);
    expect(await second.publishNext()).toBe(0);
    expect([first.status().active, second.status().active]).toEqual([true, false]);
    await first.stop();
    await store.append('m', 2, history.slice(2));
    await second.start();
    closers.push(() => second.stop());
    await waitFor('the standby to publish', () => second.status().unpublished === 0, {
      describe: () => second.status(),
    });
    const messages = await topicReader(`${prefix}.events`);
    await waitFor('all messages', () => messages.length >= history.length, { describe: () => idsOf(messages) });
    expect(idsOf(messages)).toEqual(ids('m', 1, history.length));
  });
});

/** A broker whose connections are reset until it comes back. Its port is held all the while: a free one might be somebody else's by then. */
async function brokerAway(
  address: string,
): Promise<{ readonly address: string; comeBack(): void; close(): Promise<void> }> {
  const [host = '', target = ''] = address.split(':');
  let back = false;
  const server = createServer((incoming) => {
    incoming.on('error', () => undefined);
    if (!back) return void incoming.resetAndDestroy();
    const outgoing = connect(Number(target), host);
    incoming.on('error', () => outgoing.destroy()).pipe(outgoing);
    outgoing.on('error', () => incoming.destroy()).pipe(incoming);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    comeBack: () => void (back = true),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
