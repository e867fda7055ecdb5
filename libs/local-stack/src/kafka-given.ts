import { Kafka, logLevel } from 'kafkajs';
import { HighwaterError, messageOf } from '@highwater/kernel';
import { codes } from './codes.js';
import type { KafkaBroker } from './kafka.js';

/** The broker of `HIGHWATER_KAFKA_BROKERS`; only asked for its topics here, nothing is created. */
export async function givenKafka(list: string): Promise<KafkaBroker> {
  const brokers = list.split(',').map((broker) => broker.trim());
  const admin = new Kafka({
    clientId: 'highwater-local-stack',
    brokers,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3_000,
    retry: { retries: 2 },
  }).admin();
  try {
    await admin.connect();
    await admin.listTopics();
  } catch (error) {
    throw new HighwaterError(
      codes.kafkaUnavailable,
      'backoff',
      `could not connect to the Kafka of HIGHWATER_KAFKA_BROKERS at ${brokers.join(', ')}: ${messageOf(error)}`,
      { brokers },
      'check host and port and that the broker is up, or unset it: Docker, or Java 17 with Maven, is used then',
      { cause: error },
    );
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
  return {
    how: `the Kafka of HIGHWATER_KAFKA_BROKERS at ${brokers.join(', ')}: it is set`,
    brokers,
    owned: false,
    stop: () => Promise.resolve(),
  };
}
