import { HighwaterError } from '@highwater/kernel';
import { codes } from './codes.js';
import { kafkaInContainer } from './kafka-container.js';
import { givenKafka } from './kafka-given.js';
import { kafkaOnJava } from './kafka-java.js';

export interface KafkaBroker {
  /** Which broker was taken and why, one sentence for the operator. */
  readonly how: string;
  readonly brokers: string[];
  readonly owned: boolean;
  /** Brokers on the machine's Java only: stopped politely (`fast`) or killed, started on the same data, answering again. */
  restart?(mode: 'fast' | 'immediate'): Promise<void>;
  stop(): Promise<void>;
}

export interface KafkaOptions {
  readonly log?: (line: string) => void;
}

/** One way of having a broker: either the broker, or the reason why not. */
export type KafkaAttempt = { readonly broker: KafkaBroker } | { readonly reason: string };

/**
 * Finds or starts a Kafka (DESIGN.md section 13): `HIGHWATER_KAFKA_BROKERS`, else Docker, else Apache Kafka on the machine's
 * Java by Maven. It has taken a record and let a consumer group in before this returns. Errors: HW9702, naming all three.
 */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaBroker> {
  const given = process.env['HIGHWATER_KAFKA_BROKERS'];
  if (given) return await givenKafka(given);
  const inContainer = await kafkaInContainer();
  if ('broker' in inContainer) return inContainer.broker;
  const onJava = await kafkaOnJava(options, inContainer.reason);
  if ('broker' in onJava) return onJava.broker;
  throw new HighwaterError(
    codes.kafkaUnavailable,
    'never',
    `no Kafka could be had: HIGHWATER_KAFKA_BROKERS is not set; Docker: ${inContainer.reason}; Java: ${onJava.reason}`,
    {},
    'set HIGHWATER_KAFKA_BROKERS=host:port, or start Docker, or install Java 17 and Maven',
  );
}
