// Another team's service: reads the migration events from Kafka, knowing nothing of ours but the topic and the published schemas.
//
//   node main.js --brokers host:port[,…] --schemas folder [--topic highwater.events] [--migration id] [--stop-on-stdin-end]
//
// Out, JSON lines: `ready`, one `event` each (with a `text` for a timeline), `problem`, and `final` after SIGTERM.
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Kafka, logLevel } from 'kafkajs';
import { Ledger } from './ledger.js';
import { publishedSchemas } from './schemas.js';
import { timelineText } from './timeline.js';

export type ConsumerLine =
  | { readonly kind: 'ready'; readonly topic: string }
  | {
      readonly kind: 'event';
      readonly type: string;
      readonly sequence: number;
      readonly at: string;
      readonly text: string;
    }
  | { readonly kind: 'problem'; readonly text: string }
  | {
      readonly kind: 'final';
      readonly events: number;
      readonly duplicates: number;
      readonly byType: Readonly<Record<string, number>>;
      readonly problems: readonly string[];
    };

const { values } = parseArgs({
  options: {
    brokers: { type: 'string' },
    topic: { type: 'string', default: 'highwater.events' },
    migration: { type: 'string' },
    schemas: { type: 'string' },
    'stop-on-stdin-end': { type: 'boolean', default: false },
  },
});
if (!values.brokers || !values.schemas) {
  console.error('usage: --brokers host:port --schemas folder [--topic name] [--migration id]');
  process.exit(2);
}
const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
if (values['stop-on-stdin-end']) process.stdin.on('end', () => stop.abort()).resume();
process.stdout.on('error', () => stop.abort());

const print = (line: ConsumerLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const ledger = new Ledger(publishedSchemas(values.schemas));
const kafka = new Kafka({ clientId: 'demo-consumer', brokers: values.brokers.split(','), logLevel: logLevel.NOTHING });

/** The topic is made by the publisher of the first event, which may be later than us. */
async function topicThere(topic: string): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  while (!stop.signal.aborted && !(await admin.listTopics()).includes(topic)) {
    await wait(200, undefined, { signal: stop.signal }).catch(() => undefined);
  }
  await admin.disconnect();
}

await topicThere(values.topic);
const consumer = kafka.consumer({ groupId: `demo-consumer-${Date.now()}-${process.pid}` });
if (!stop.signal.aborted) {
  await consumer.connect();
  await consumer.subscribe({ topic: values.topic, fromBeginning: true });
  consumer.on(consumer.events.GROUP_JOIN, () => print({ kind: 'ready', topic: values.topic }));
  await consumer.run({
    eachMessage: ({ message }) => {
      const headers = Object.fromEntries(
        Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
      );
      if (values.migration && headers['ce_subject'] !== values.migration) return Promise.resolve();
      const known = ledger.problems.length;
      const event = ledger.take({ key: message.key?.toString(), headers, value: message.value?.toString() ?? '' });
      for (const text of ledger.problems.slice(known)) print({ kind: 'problem', text });
      if (event) {
        const { type, sequence, at } = event;
        print({ kind: 'event', type, sequence, at, text: timelineText(event) });
      }
      return Promise.resolve();
    },
  });
  await new Promise((resolve) => stop.signal.addEventListener('abort', resolve, { once: true }));
}
await consumer.disconnect();
const { events, duplicates, byType, problems } = ledger;
print({ kind: 'final', events, duplicates, byType, problems });
