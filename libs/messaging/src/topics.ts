import type { Admin, Cluster } from 'kafkajs';
import { HighwaterError, messageOf } from '@highwater/kernel';
import type { TopicState } from '@highwater/change-stream';
import { messagingCodes } from './codes.js';
import { kafkaClient, type KafkaLog, type KafkaSettings } from './settings.js';
import { clusterOf, topicIdentity } from './topic-id.js';

export interface TopicRequest {
  readonly topic: string;
  readonly partitions: number;
}

/** Hints that nobody read for a week are found missing by their offsets, and the stream is broken; the sweep fills the rows. */
const topicConfig = [
  { name: 'cleanup.policy', value: 'delete' },
  { name: 'retention.ms', value: String(7 * 24 * 3_600_000) },
  { name: 'retention.bytes', value: '-1' },
];

/** The error of a broker that cannot be reached, naming the brokers and the settings that decide. */
export const kafkaUnreachable = (settings: KafkaSettings, doing: string, cause: unknown): HighwaterError =>
  new HighwaterError(
    messagingCodes.unreachable,
    'backoff',
    `${doing}: no Kafka broker answered at ${settings.brokers.join(', ')}: ${messageOf(cause)}`,
    { brokers: settings.brokers },
    'check HIGHWATER_KAFKA_BROKERS, HIGHWATER_KAFKA_TLS and HIGHWATER_KAFKA_SASL, and the brokers’ advertised listeners',
    { cause },
  );

async function withAdmin<T>(
  settings: KafkaSettings,
  doing: string,
  work: (admin: Admin) => Promise<T>,
  log?: KafkaLog,
): Promise<T> {
  const admin = kafkaClient(settings, log).admin();
  try {
    await admin.connect();
  } catch (error) {
    await admin.disconnect().catch(() => undefined);
    throw kafkaUnreachable(settings, doing, error);
  }
  try {
    return await work(admin);
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}

/** Rejects with HW3101 when no broker answers; else the number of brokers. */
export const kafkaReachable = (settings: KafkaSettings): Promise<number> =>
  withAdmin(settings, 'looking for Kafka', async (admin) => (await admin.describeCluster()).brokers.length);

/** A broker has answered that a topic exists before it, or another one, can say who leads it; a busy one takes seconds. */
const staleMsMax = 20_000;
const staleTypes = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE', 'NOT_LEADER_FOR_PARTITION']);

interface KafkaFailure {
  readonly type?: string;
  readonly cause?: KafkaFailure;
  readonly errors?: readonly KafkaFailure[];
}
const isStale = (error: KafkaFailure): boolean =>
  staleTypes.has(error.type ?? '') ||
  (error.cause !== undefined && isStale(error.cause)) ||
  (error.errors?.every(isStale) ?? false);

async function untilKnown<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1, until = performance.now() + staleMsMax; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (performance.now() > until || !isStale(error as KafkaFailure)) throw error;
      await new Promise((resolve) => setTimeout(resolve, Math.min(1_000, 100 * tries)));
    }
  }
}

/** Creates what is missing; an existing topic is kept when its partition count is the one asked for, else HW3102. */
export async function ensureTopics(
  settings: KafkaSettings,
  topics: readonly TopicRequest[],
  log?: KafkaLog,
): Promise<void> {
  const names = topics.map((topic) => topic.topic).join(', ');
  await withAdmin(
    settings,
    `creating topics ${names}`,
    async (admin) => {
      const wanted = topics.map(({ topic, partitions }) => ({
        topic,
        numPartitions: partitions,
        configEntries: topicConfig,
      }));
      const found = await untilKnown(async () => {
        await admin.createTopics({ waitForLeaders: true, topics: wanted });
        return admin.fetchTopicMetadata({ topics: topics.map((topic) => topic.topic) });
      }).catch((error: unknown) => {
        throw new HighwaterError(
          messagingCodes.topicRefused,
          'backoff',
          `creating topics ${names}: ${messageOf(error)}`,
          { topics: topics.map((t) => t.topic) },
        );
      });
      for (const { topic, partitions } of topics) {
        const count = found.topics.find((entry) => entry.name === topic)?.partitions.length ?? 0;
        if (count !== partitions)
          throw new HighwaterError(
            messagingCodes.otherPartitionCount,
            'never',
            `topic ${topic} has ${count} partitions, expected ${partitions}`,
            { topic, found: count, expected: partitions },
            `delete the topic, or set stream.partitions to ${count}`,
          );
      }
    },
    log,
  );
}

/** Deletes those that exist. */
export async function deleteTopics(settings: KafkaSettings, topics: readonly string[]): Promise<void> {
  await withAdmin(settings, `deleting topics ${topics.join(', ')}`, async (admin) => {
    const there = new Set(await admin.listTopics());
    const present = topics.filter((topic) => there.has(topic));
    if (present.length === 0) return;
    await admin.deleteTopics({ topics: present, timeout: 10_000 }).catch((error: unknown) => {
      throw new HighwaterError(
        messagingCodes.topicRefused,
        'backoff',
        `deleting topics ${present.join(', ')}: ${messageOf(error)}`,
        { topics: present },
      );
    });
    // the broker answers before every other broker knows; a topic created again too early would be deleted with it
    for (const deadline = Date.now() + 10_000; ;) {
      const left = new Set(await admin.listTopics());
      if (!present.some((topic) => left.has(topic))) return;
      if (Date.now() > deadline)
        throw new HighwaterError(
          messagingCodes.topicRefused,
          'backoff',
          `deleting topics ${present.join(', ')}: still listed after 10 s`,
          { topics: present },
        );
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });
}

/** Forgets the committed offsets of groups nobody is in any more; a group that is gone is no error. */
export async function deleteGroups(settings: KafkaSettings, groups: readonly string[]): Promise<void> {
  await withAdmin(settings, `deleting groups ${groups.join(', ')}`, async (admin) => {
    const there = new Set((await admin.listGroups()).groups.map((group) => group.groupId));
    const present = groups.filter((group) => there.has(group));
    if (present.length > 0) await admin.deleteGroups(present);
  });
}

/** Names among `topics` (or with the prefix) that exist now: what `finish` and `doctor` list as leftovers. */
export const listTopics = (settings: KafkaSettings): Promise<string[]> =>
  withAdmin(settings, 'listing topics', async (admin) =>
    (await admin.listTopics()).filter((topic) => topic.startsWith(`${settings.topicPrefix}.`)),
  );

/** Asks for the identity of topics over one kept connection: the relay compares it every second. */
export class TopicInspector {
  private readonly cluster: Cluster;

  constructor(
    private readonly settings: KafkaSettings,
    log?: KafkaLog,
  ) {
    this.cluster = clusterOf(kafkaClient(settings, log));
  }

  /** Undefined when the topic is gone. */
  async topicFacts(topic: string): Promise<TopicState | undefined> {
    const doing = `reading topic ${topic}`;
    try {
      if (!this.cluster.isConnected()) await this.cluster.connect();
      await this.cluster.refreshMetadataIfNecessary(); // knows which broker to ask
      return await topicIdentity(this.cluster, topic);
    } catch (error) {
      if (error instanceof HighwaterError) throw error;
      await this.cluster.disconnect().catch(() => undefined);
      throw kafkaUnreachable(this.settings, doing, error);
    }
  }

  async close(): Promise<void> {
    await this.cluster.disconnect().catch(() => undefined);
  }
}

/** One look, for callers that do not keep an inspector. */
export async function topicFacts(settings: KafkaSettings, topic: string): Promise<TopicState | undefined> {
  const inspector = new TopicInspector(settings);
  try {
    return await inspector.topicFacts(topic);
  } finally {
    await inspector.close();
  }
}
