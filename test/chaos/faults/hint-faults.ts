import { shuffled } from '../schedule.js';
import { quietKafka } from '../record/topic-readers.js';
import { migration, type World } from '../world.js';

type Raw = { partition: number; value: Buffer | string | null };

async function produce({ kafka, topicPrefix }: World, messages: readonly Raw[]): Promise<void> {
  const producer = quietKafka(kafka).producer({
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  });
  await producer.connect();
  try {
    await producer.send({ topic: `${topicPrefix}.${migration}.hints`, acks: -1, messages: [...messages] });
  } finally {
    await producer.disconnect();
  }
}

/** The newest hints ten times more, in any order. */
export async function repeatHints(world: World, random: () => number): Promise<string> {
  const newest = world.recording
    .rawHints()
    .filter(({ value }) => value !== null && value.length < 10_000)
    .slice(-300);
  if (newest.length === 0) return 'there were no hints';
  const again = shuffled(Array.from({ length: 10 }, () => newest).flat(), random);
  await produce(world, again);
  return `${newest.length} hints ten times`;
}

/** By somebody who may write to the topic: nonsense, other epochs, tables and migrations, transactions that never were. */
export async function forgeHints(world: World, random: () => number): Promise<string> {
  const row = { v: 1, kind: 'row', migration, epoch: 1, table: ['public', 'Activity'], key: ['nobody'], lsn: '0/1' };
  const forged = [
    null,
    'not JSON',
    '{}',
    JSON.stringify({ ...row, v: 9, xid: '5' }),
    JSON.stringify({ ...row, table: ['pg_catalog', 'pg_class'], xid: '5' }),
    JSON.stringify({ ...row, migration: 'another', xid: '5' }),
    JSON.stringify({ ...row, epoch: 99, xid: '5' }),
    ...[1, 2, 3, 4].map((epoch) => JSON.stringify({ ...row, epoch, xid: '18446744073709551615' })),
    ...[1, 2, 3, 4].map((epoch) => JSON.stringify({ ...row, epoch, key: ['a', 'b'], xid: '7' })),
    JSON.stringify({ ...row, key: ['x'.repeat(300_000)], xid: '5' }),
    JSON.stringify({
      v: 1,
      kind: 'fence',
      migration,
      epoch: 1,
      token: 'f-forged',
      partition: 0,
      partitions: 4,
      lsn: '0/1',
    }),
  ];
  await produce(
    world,
    forged.map((value) => ({ partition: Math.floor(random() * 4), value })),
  );
  return `${forged.length} forged hints`;
}
