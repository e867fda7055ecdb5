import { CompressionTypes, type Producer } from 'kafkajs';
import { HighwaterError } from '@highwater/kernel';
import { messagingCodes } from './codes.js';
import { GroupedMessages } from './grouped-messages.js';
import { kafkaClient, type KafkaLog, type KafkaSettings } from './settings.js';
import { kafkaUnreachable } from './topics.js';

export interface OutgoingRecord {
  readonly partition: number;
  readonly value: string | Buffer;
}

/**
 * Stores batches, acks = all. At least once: kafkajs' idempotent mode serialises per broker and does not recover from sequence
 * errors, and every reader of ours is idempotent. Two batches in flight may be stored in either order when one is retried; who
 * needs an order (a fence) awaits the earlier promise first.
 */
export class HintProducer {
  private readonly producer: Producer;

  constructor(
    private readonly settings: KafkaSettings,
    readonly topic: string,
    log?: KafkaLog,
  ) {
    this.producer = kafkaClient(settings, log).producer({
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
  }

  async connect(): Promise<void> {
    await this.producer.connect().catch((error: unknown) => {
      throw kafkaUnreachable(this.settings, `connecting to send hints to ${this.topic}`, error);
    });
  }

  /** Resolves when every in-sync replica has all of it. */
  async send(records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return;
    const stored = await this.producer
      .send({
        topic: this.topic,
        acks: -1,
        timeout: 10_000,
        compression: CompressionTypes.None,
        messages: GroupedMessages.byPartition(records),
      })
      .catch((error: unknown) => {
        throw kafkaUnreachable(this.settings, `sending ${records.length} hints to ${this.topic}`, error);
      });
    // kafkajs drops records for a partition that its metadata does not know, without an error
    const answered = new Set(stored.map((entry) => entry.partition));
    const missing = [...new Set(records.map((record) => record.partition))].filter(
      (partition) => !answered.has(partition),
    );
    if (missing.length > 0)
      throw new HighwaterError(
        messagingCodes.partlyStored,
        'backoff',
        `sending hints to ${this.topic}: partitions ${missing.join(', ')} did not answer; expected an answer from each`,
        { topic: this.topic, missing: missing.map(String) },
      );
  }

  async close(): Promise<void> {
    await this.producer.disconnect().catch(() => undefined);
  }
}
