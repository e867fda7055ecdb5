import { randomBytes } from 'node:crypto';
import { Kafka, Partitioners, logLevel } from 'kafkajs';
import { messageOf } from '@highwater/kernel';

/**
 * Undefined when the broker took a record and gave it back to a consumer group, else what it could not do. A listening port
 * is not enough: for a second or two the group coordinator is still loading, and a client met then loses seconds.
 */
export async function whyKafkaIsNotUp(
  brokers: string[],
  timeoutMs: number,
  ended: () => string | undefined = () => undefined,
): Promise<string | undefined> {
  let reason = 'it was not asked yet';
  let patienceMs = RECORD_MS_MIN;
  for (const deadline = Date.now() + timeoutMs; Date.now() < deadline;) {
    const end = ended();
    if (end !== undefined) return end;
    try {
      await roundTrip(brokers, `highwater-probe-${randomBytes(4).toString('hex')}`, patienceMs);
      return undefined;
    } catch (error) {
      reason = messageOf(error);
      if (error instanceof NoRecord) patienceMs = Math.min(RECORD_MS_MAX, patienceMs * 2);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return `it did not take and return a record within ${timeoutMs / 1000} s (${reason})`;
}

/**
 * A consumer can sit connected and consume nothing; a new one in a new group is faster than waiting for it. Each has more time than the one before, or
 * none would ever be done on a busy machine.
 */
const RECORD_MS_MIN = 3_000;
const RECORD_MS_MAX = 30_000;

/** The broker is there, and its group coordinator is not, or slow. */
class NoRecord extends Error {}

async function roundTrip(brokers: string[], name: string, patienceMs: number): Promise<void> {
  const kafka = new Kafka({
    clientId: name,
    brokers,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 3_000,
    retry: { retries: 0 },
  });
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({
    groupId: name,
    sessionTimeout: 10_000,
    retry: { retries: 8, initialRetryTime: 100 },
  });
  try {
    await admin.connect();
    await admin.createTopics({
      topics: [{ topic: name, numPartitions: 1, replicationFactor: 1 }],
      waitForLeaders: true,
    });
    await producer.connect();
    await producer.send({ topic: name, acks: -1, messages: [{ value: 'up' }] });
    await consumer.connect();
    await consumer.subscribe({ topic: name, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new NoRecord('no consumer group could be joined')), patienceMs);
      const done = async () => {
        clearTimeout(timer);
        resolve();
        await Promise.resolve();
      };
      consumer.run({ eachMessage: done }).catch(reject);
    });
    await consumer.disconnect();
    await admin.deleteGroups([name]);
    await admin.deleteTopics({ topics: [name] });
  } finally {
    await Promise.allSettled([consumer.disconnect(), producer.disconnect(), admin.disconnect()]);
  }
}
