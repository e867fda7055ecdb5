import { createRequire } from 'node:module';
import type { Message } from 'kafkajs';
import { expect, it } from 'vitest';
import { GroupedMessages } from './grouped-messages.js';

type Grouping = (of: {
  topic: string;
  partitionMetadata: readonly object[];
  messages: Message[];
  partitioner: (of: { message: Message }) => number;
}) => Record<string, Message[]>;

it('gives the grouping of kafkajs what it would have made itself', () => {
  const group = createRequire(import.meta.url)('kafkajs/src/producer/groupMessagesPerPartition.js') as Grouping;
  const records = Array.from({ length: 10 }, (_, n) => ({ partition: (n * 7) % 3, value: `hint ${n}` }));
  const grouped = (messages: Message[]): Record<string, Message[]> =>
    group({
      topic: 'hints',
      partitionMetadata: [{}],
      messages,
      partitioner: ({ message }) => message.partition ?? 0,
    });
  const messages = GroupedMessages.byPartition(records);
  expect([...messages]).toEqual(records);
  expect(grouped(messages)).toEqual(grouped([...records]));
  expect(grouped(messages)).toBe(grouped(messages)); // made once
});
