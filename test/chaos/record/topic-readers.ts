import { ConfigResourceTypes, Kafka, logLevel, type Consumer, type EachBatchPayload } from 'kafkajs';
import { decodeHint, isPoison } from '@highwater/change-stream';
import type { PublishedEvent, SeenHint } from '../checker/history.js';
import { again, type Looped } from './looped.js';

export interface TopicSettings {
  readonly brokers: readonly string[];
  readonly topicPrefix: string;
  readonly migration: string;
}

export const quietKafka = ({ brokers }: Pick<TopicSettings, 'brokers'>): Kafka =>
  new Kafka({
    clientId: 'chaos',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 5 },
  });

/** What stands in the topics must never hold. */
export const canary = 'CANARY';

/** Everything in one topic from its first record on; it may be deleted under the reader. */
async function read(kafka: Kafka, topic: string, take: (batch: EachBatchPayload['batch']) => void): Promise<Consumer> {
  const consumer = kafka.consumer({
    groupId: `chaos.${topic}.${Math.random().toString(36).slice(2)}`,
    maxWaitTimeInMs: 100,
    retry: { initialRetryTime: 100, maxRetryTime: 500, retries: 5 },
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatch: ({ batch }) => {
      take(batch);
      return Promise.resolve();
    },
  });
  return consumer;
}

/** The hints of one epoch, and until when the reader had read everything there was. */
export interface EpochReader {
  readonly epoch: number;
  readonly hints: SeenHint[];
  readonly raw: { readonly partition: number; readonly value: Buffer | null }[];
  readUpTo(): number;
  stop(): Promise<void>;
}

export async function readEpoch(
  settings: TopicSettings,
  epoch: number,
  found: (where: string) => void,
): Promise<EpochReader> {
  const kafka = quietKafka(settings);
  const topic = `${settings.topicPrefix}.${settings.migration}.hints`;
  const hints: SeenHint[] = [];
  const raw: EpochReader['raw'] = [];
  const next = new Map<number, bigint>();
  let upTo = 0;
  const admin = kafka.admin();
  await admin.connect();
  // the broker's own time of storing, instead of the producer's of sending
  const configEntries = [{ name: 'message.timestamp.type', value: 'LogAppendTime' }];
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  });
  const consumer = await read(kafka, topic, ({ partition, messages }) => {
    for (const { offset, value, timestamp } of messages) {
      next.set(partition, BigInt(offset) + 1n);
      raw.push({ partition, value });
      if (value?.includes(canary)) found(`hints topic, partition ${partition}, offset ${offset}`);
      const hint = decodeHint(value);
      if (isPoison(hint) || hint.kind !== 'row' || hint.epoch !== epoch) continue;
      const [, table] = hint.table;
      hints.push({
        epoch,
        partition,
        offset: BigInt(offset),
        table,
        key: hint.key.join(),
        xid: BigInt(hint.xid),
        storedAt: Number(timestamp),
      });
    }
  });
  const highest = new Map<number, bigint>();
  let other = false;
  const loop: Looped = again(200, async () => {
    const at = Date.now();
    const ends = (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({
      partition,
      high: BigInt(high),
    }));
    // fewer than there were: another topic under the old name
    other ||= ends.some(({ partition, high }) => high < (highest.get(partition) ?? 0n));
    for (const { partition, high } of ends) highest.set(partition, high);
    if (!other && ends.every(({ partition, high }) => (next.get(partition) ?? 0n) >= high)) upTo = at;
  });
  return {
    epoch,
    hints,
    raw,
    readUpTo: () => upTo,
    async stop() {
      await loop.stop();
      await Promise.all([consumer.disconnect().catch(() => undefined), admin.disconnect().catch(() => undefined)]);
    },
  };
}

/** The published migration events, as another service reads them. */
export async function readPublished(
  settings: TopicSettings,
  found: (where: string) => void,
): Promise<Looped & { readonly events: PublishedEvent[] }> {
  const events: PublishedEvent[] = [];
  const topic = `${settings.topicPrefix}.events`;
  const consumer = await read(quietKafka(settings), topic, ({ messages }) => {
    for (const { key, value, headers } of messages) {
      const id = String(headers?.['ce_id'] ?? '');
      if (value?.includes(canary)) found(`events topic, event ${id}`);
      if (key?.toString() === settings.migration)
        events.push({ id, version: Number(headers?.['ce_sequence'] ?? id.split('/').at(-1)) });
    }
  });
  return { events, stop: () => consumer.disconnect().catch(() => undefined) };
}
