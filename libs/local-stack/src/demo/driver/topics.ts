import { Kafka, logLevel } from 'kafkajs';
import type { Admin } from 'kafkajs';

async function withAdmin<T>(brokers: readonly string[], work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = new Kafka({ clientId: 'demo', brokers: [...brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Topics of that prefix, the events' own left out: they stay, as the migration's published history. */
export const leftTopics = (brokers: readonly string[], prefix: string): Promise<string[]> =>
  withAdmin(brokers, async (admin) =>
    (await admin.listTopics()).filter((topic) => topic.startsWith(`${prefix}.`) && topic !== `${prefix}.events`),
  );

/** On a broker that is not ours nothing stays, not even the events. */
export const deleteTopics = (brokers: readonly string[], prefix: string): Promise<void> =>
  withAdmin(brokers, async (admin) => {
    const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${prefix}.`));
    if (topics.length > 0) await admin.deleteTopics({ topics });
  });
