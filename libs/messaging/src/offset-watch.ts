import type { Admin, Kafka } from 'kafkajs';

/** Records of a partition that were removed before we read them. */
export interface OffsetLoss {
  readonly partition: number;
  readonly expected: bigint;
  /** Where reading went on. */
  readonly found: bigint;
}

export type OffsetJudgement =
  | { readonly kind: 'take' }
  /** The batch is from elsewhere (a fetch of the assignment before); go back. */
  | { readonly kind: 'seek'; readonly to: bigint }
  | { readonly kind: 'lost'; readonly loss: OffsetLoss };

/**
 * kafkajs jumps silently to the earliest offset when its position is out of range. We behave as if `auto.offset.reset` were `none`:
 * a batch must start where the one before ended, or at the committed offset (or at 0, since the topic is ours from its first
 * record on). A difference is a loss only when the broker's own bounds say so.
 */
export class OffsetWatch {
  private readonly admin: Admin;
  private connected: Promise<void> | undefined;
  private readonly expected = new Map<number, bigint>();
  private committed: Promise<Map<number, bigint>> | undefined;
  private foreign: number[] = [];

  constructor(
    kafka: Kafka,
    private readonly topic: string,
    private readonly group: string,
    /** Offsets committed for another life of the topic (same name, other id) are none of ours. */
    private readonly topicId: string,
  ) {
    this.admin = kafka.admin();
  }

  /** A new assignment: ask for the committed offsets anew. */
  forget(): void {
    this.expected.clear();
    this.committed = undefined;
  }

  /** Partitions whose committed offset belongs to an earlier life of the topic: reading has to start at 0. */
  async foreignCommits(): Promise<number[]> {
    await this.committedOffset(0);
    return this.foreign;
  }

  async judge(partition: number, first: bigint, next: bigint): Promise<OffsetJudgement> {
    const expected = this.expected.get(partition) ?? (await this.committedOffset(partition));
    if (first === expected) {
      this.expected.set(partition, next);
      return { kind: 'take' };
    }
    const { low, high } = await this.bounds(partition);
    if (low > expected || high < expected) {
      this.expected.set(partition, next);
      return { kind: 'lost', loss: { partition, expected, found: first } };
    }
    if (first < expected) {
      this.expected.set(partition, next); // delivered again: harmless
      return { kind: 'take' };
    }
    this.expected.set(partition, expected);
    return { kind: 'seek', to: expected };
  }

  /** True when a partition holds records that were not delivered. */
  async recordsWaiting(partitions: readonly number[]): Promise<boolean> {
    for (const partition of partitions) {
      const expected = this.expected.get(partition) ?? (await this.committedOffset(partition));
      if ((await this.bounds(partition)).high > expected) return true;
    }
    return false;
  }

  async close(): Promise<void> {
    await this.connected?.catch(() => undefined);
    await this.admin.disconnect().catch(() => undefined);
  }

  private async committedOffset(partition: number): Promise<bigint> {
    this.committed ??= this.readCommitted();
    try {
      return (await this.committed).get(partition) ?? 0n;
    } catch (error) {
      this.committed = undefined;
      throw error;
    }
  }

  private async readCommitted(): Promise<Map<number, bigint>> {
    await this.connect();
    const groups = await this.admin.fetchOffsets({ groupId: this.group, topics: [this.topic] });
    const found = groups.flatMap((entry) => entry.partitions).filter(({ offset }) => BigInt(offset) >= 0n); // -1: never committed
    this.foreign = found.filter(({ metadata }) => metadata !== this.topicId).map(({ partition }) => partition);
    const ours = found.filter(({ metadata }) => metadata === this.topicId);
    return new Map(ours.map(({ partition, offset }) => [partition, BigInt(offset)]));
  }

  private async bounds(partition: number): Promise<{ low: bigint; high: bigint }> {
    await this.connect();
    const found = (await this.admin.fetchTopicOffsets(this.topic)).find((entry) => entry.partition === partition);
    return { low: BigInt(found?.low ?? 0), high: BigInt(found?.high ?? 0) };
  }

  private connect(): Promise<void> {
    this.connected ??= this.admin.connect().catch((error: unknown) => {
      this.connected = undefined;
      throw error;
    });
    return this.connected;
  }
}
