import { HighwaterError, messageOf } from '@highwater/kernel';
import { Partitioners, type Producer } from 'kafkajs';
import { messagingCodes } from '../codes.js';
import { kafkaClient, type KafkaLog, type KafkaSettings } from '../settings.js';
import { kafkaUnreachable } from '../topics.js';
import { cloudEventRecord, type OutgoingEvent } from './cloud-event.js';

/** Name of the topic that carries the events of every migration. */
export const eventTopic = (prefix: string): string => `${prefix}.events`;

/** The history is kept: a consumer that comes years later can still read why a column is NOT NULL. */
const topicConfig = [
  { name: 'cleanup.policy', value: 'delete' },
  { name: 'retention.ms', value: '-1' },
];

/**
 * Publishes stored events, acks = all. Connects, and makes the topic when it is not there, with the first event; an existing topic is
 * taken with the partitions it has, since the key alone keeps a migration's events in order.
 */
export class EventTopicProducer {
  readonly topic: string;
  private readonly producer: Producer;
  private ready = false;

  constructor(
    private readonly settings: KafkaSettings,
    private readonly source = '/highwater',
    private readonly log?: KafkaLog,
  ) {
    this.topic = eventTopic(settings.topicPrefix);
    this.producer = kafkaClient(settings, log).producer({
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
    });
  }

  /** Resolves when every in-sync replica has all of them. After an error some may be stored: publish all of them again. */
  async publish(events: readonly OutgoingEvent[]): Promise<void> {
    if (events.length === 0) return;
    const doing = `publishing ${events.length} events to ${this.topic}`;
    try {
      await this.prepare();
      const stored = await this.producer.send({
        topic: this.topic,
        acks: -1,
        timeout: 10_000,
        messages: events.map((event) => {
          const { key, value, headers } = cloudEventRecord(event, this.source);
          return { key, value, headers: { ...headers } };
        }),
      });
      // kafkajs drops records for a partition that its metadata does not know, without an error
      if (stored.length === 0 || stored.some((entry) => entry.errorCode !== 0)) {
        throw new HighwaterError(messagingCodes.partlyStored, 'backoff', `${doing}: not every partition answered`, {
          topic: this.topic,
        });
      }
    } catch (error) {
      this.ready = false;
      if (error instanceof HighwaterError) throw error;
      throw kafkaUnreachable(this.settings, doing, error);
    }
  }

  async close(): Promise<void> {
    this.ready = false;
    await this.producer.disconnect().catch(() => undefined);
  }

  private async prepare(): Promise<void> {
    if (this.ready) return;
    const admin = kafkaClient(this.settings, this.log).admin();
    try {
      await admin.connect();
      const there = await admin.listTopics();
      if (!there.includes(this.topic)) {
        await admin
          .createTopics({
            waitForLeaders: true,
            topics: [{ topic: this.topic, numPartitions: 1, configEntries: topicConfig }],
          })
          .catch((error: unknown) => {
            throw new HighwaterError(
              messagingCodes.topicRefused,
              'backoff',
              `creating topic ${this.topic}: ${messageOf(error)}`,
              {
                topic: this.topic,
              },
            );
          });
      }
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
    await this.producer.connect();
    this.ready = true;
  }
}
