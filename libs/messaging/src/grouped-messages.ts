import type { Message } from 'kafkajs';

/**
 * The messages of one request, by partition. kafkajs groups them with `reduce`, and there copies a partition's list for each message of it:
 * at a thousand a request that was a third of all the memory the relay asked for. These answer with their groups. Should kafkajs ever group
 * them in another way, they are an array like any other.
 */
export class GroupedMessages extends Array<Message> {
  private readonly groups: Record<number, Message[]> = {};

  static byPartition(records: readonly { readonly partition: number; readonly value: string | Buffer }[]): Message[] {
    const messages = new GroupedMessages();
    for (const { partition, value } of records) {
      const message = { partition, value };
      (messages.groups[partition] ??= []).push(message);
      messages.push(message);
    }
    return messages;
  }

  /** What is reduced over a list of messages is their grouping and nothing else. */
  override reduce(): never {
    return this.groups as never;
  }
}
