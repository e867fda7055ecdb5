import type { Producer } from 'kafkajs';
import { kafkaClient, type KafkaLog, type KafkaSettings } from './settings.js';
import { kafkaUnreachable } from './topics.js';

/** Where a record that is no hint was, and why; never what was in it. */
export interface DeadLetter {
  readonly reason: string;
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** Reason and position as headers, no payload: an operator finds the record at its place, personal data is not copied. */
export class DeadLetterProducer {
  private readonly producer: Producer;

  constructor(
    private readonly settings: KafkaSettings,
    readonly topic: string,
    log?: KafkaLog,
  ) {
    this.producer = kafkaClient(settings, log).producer({
      allowAutoTopicCreation: false,
      createPartitioner: () => () => 0,
    });
  }

  async connect(): Promise<void> {
    await this.producer.connect().catch((error: unknown) => {
      throw kafkaUnreachable(this.settings, `connecting to send dead letters to ${this.topic}`, error);
    });
  }

  /** Stored on return; commit the offset after it. */
  async send(letters: readonly DeadLetter[]): Promise<void> {
    if (letters.length === 0) return;
    await this.producer
      .send({
        topic: this.topic,
        acks: -1,
        messages: letters.map(({ reason, topic, partition, offset }) => ({
          value: null,
          headers: { reason, topic, partition: String(partition), offset: String(offset) },
        })),
      })
      .catch((error: unknown) => {
        throw kafkaUnreachable(this.settings, `sending ${letters.length} dead letters to ${this.topic}`, error);
      });
  }

  async close(): Promise<void> {
    await this.producer.disconnect().catch(() => undefined);
  }
}
