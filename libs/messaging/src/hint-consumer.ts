import type { Consumer, EachBatchPayload } from 'kafkajs';
import { messageOf } from '@highwater/kernel';
import { FetchEnd } from './end-fetching.js';
import { OffsetWatch, type OffsetLoss } from './offset-watch.js';
import { kafkaClient, type KafkaLog, type KafkaSettings } from './settings.js';
import { silenceMsMax } from './silence.js';

export interface IncomingRecord {
  readonly offset: bigint;
  readonly value: Buffer | null;
}

export interface IncomingBatch {
  readonly partition: number;
  readonly records: readonly IncomingRecord[];
  /** The assignment it belongs to; commits of another one are dropped. */
  readonly generation: number;
  /** Call in long work; throws when the group is rebalancing. */
  heartbeat(): Promise<void>;
  /** False once the partition may belong to somebody else: drop what is left. */
  isCurrent(): boolean;
}

export interface HintConsumerOptions {
  readonly kafka: KafkaSettings;
  readonly topic: string;
  readonly group: string;
  /** Stored with each commit: an offset that an earlier life of the topic left behind must not skip the records of this one. */
  readonly topicId: string;
  /** Down to 1,000 where the broker's group.min.session.timeout.ms allows it. */
  readonly sessionTimeoutMs?: number;
  /** No record for so long although the partitions hold some: the consumer is made anew. */
  readonly stuckAfterMs?: number;
  readonly log?: KafkaLog;
  /**
   * Takes the records over; may return before they are settled. A rejection ends the assignment: a new one of the same
   * partitions follows, from the committed offsets.
   */
  onBatch(batch: IncomingBatch): Promise<void>;
  /** Every assignment replaces the one before: forget all, deliver starts again from the committed offsets. */
  onAssigned(partitions: readonly number[], generation: number): void;
  /** Nothing is ours now; in-memory work is to be dropped without committing. */
  onRevoked(): void;
  /** Records between two offsets are gone (retention, a topic created again): only a sweep finds their rows. */
  onOffsetsLost(loss: OffsetLoss): void;
}

/**
 * A member of the filler group that keeps kafkajs' habits away from the caller.
 *
 *   stopped ──start──▶ joining ──GROUP_JOIN──▶ consuming ──rebalance──▶ joining
 *      ▲                  ▲                       │
 *      └──── stop ────────┴──crash, or stuck──────┘  (a new kafkajs consumer after a pause)
 *
 * Durable: the committed offsets alone. Fetching runs ahead of them; after every arrow back to `joining` it starts there again.
 */
export class HintConsumer {
  private consumer: Consumer | undefined;
  private fetchEnd = new FetchEnd();
  private watch: OffsetWatch | undefined;
  private generation = 0;
  private stopping = false;
  private restarting: Promise<void> | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;
  private assigned: readonly number[] = [];
  private readonly paused = new Set<number>();
  private deliveredAt = 0;
  private fetchedAt = 0;
  private busy = 0;

  constructor(private readonly options: HintConsumerOptions) {}

  /** Resolves once the consumer runs; the first `onAssigned` follows when the group has settled. */
  async start(): Promise<void> {
    this.stopping = false;
    await this.open();
    const every = Math.max(250, (this.options.stuckAfterMs ?? 30_000) / 4);
    this.timer = setInterval(() => void this.lookForStandstill(), every);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.timer) clearInterval(this.timer);
    await this.restarting?.catch(() => undefined);
    await this.shut();
  }

  /** Commits next offsets; silently dropped when they belong to an earlier assignment. Throws what kafkajs throws. */
  async commit(
    generation: number,
    offsets: readonly { readonly partition: number; readonly next: bigint }[],
  ): Promise<void> {
    if (generation !== this.generation || offsets.length === 0) return;
    await this.consumer?.commitOffsets(
      offsets.map(({ partition, next }) => ({
        topic: this.options.topic,
        partition,
        offset: String(next),
        metadata: this.options.topicId,
      })),
    );
  }

  pause(partitions: readonly number[]): void {
    for (const partition of partitions) this.paused.add(partition);
    this.tell((consumer) => consumer.pause([{ topic: this.options.topic, partitions: [...partitions] }]));
  }

  resume(partitions: readonly number[]): void {
    for (const partition of partitions) this.paused.delete(partition);
    this.deliveredAt = performance.now();
    this.tell((consumer) => consumer.resume([{ topic: this.options.topic, partitions: [...partitions] }]));
  }

  /**
   * kafkajs throws this at a consumer that is on its way out of a crash, before it says that it crashed. What it would be told is about an
   * assignment that is over by then; thrown at whoever fills rows it would end the process.
   */
  private tell(about: (consumer: Consumer) => void): void {
    try {
      if (this.consumer) about(this.consumer);
    } catch (error) {
      this.options.log?.debug({ group: this.options.group }, `hint consumer is not running: ${messageOf(error)}`);
    }
  }

  /** Forgets everything and begins again at the committed offsets, with a new membership. */
  startOver(why: string): void {
    this.restart(why);
  }

  private async open(): Promise<void> {
    const { kafka: settings, topic, group, log, sessionTimeoutMs = 10_000 } = this.options;
    const rebalanceMs = Math.max(sessionTimeoutMs, 5_000);
    // whoever joins is answered when the others have joined too
    const kafka = kafkaClient(settings, log, Math.max(silenceMsMax, rebalanceMs + 5_000));
    this.fetchEnd = new FetchEnd();
    const consumer = kafka.consumer({
      groupId: group,
      partitionAssigners: [this.fetchEnd.assigner],
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceMs,
      heartbeatInterval: Math.max(100, Math.floor(sessionTimeoutMs / 4)),
      // an idle fetch comes back in time for the next heartbeat
      maxWaitTimeInMs: Math.min(500, Math.floor(sessionTimeoutMs / 4)),
      // some 400 hints at once and partition: more would only lie in memory; a larger batch still comes whole (KIP-74)
      maxBytesPerPartition: 64 * 1024,
      allowAutoTopicCreation: false,
      readUncommitted: false,
      retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 1_000, restartOnFailure: () => Promise.resolve(false) },
    });
    this.consumer = consumer;
    this.watch = new OffsetWatch(kafka, topic, group, this.options.topicId);
    this.fetchedAt = this.deliveredAt = performance.now();
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.assign(payload.memberAssignment[topic] ?? []));
    consumer.on(consumer.events.REBALANCING, () => this.revoke());
    consumer.on(consumer.events.FETCH, () => void (this.fetchedAt = performance.now()));
    let crash: Error | undefined;
    let joined = false;
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      crash = payload.error;
      if (joined && this.consumer === consumer) this.restart(`consumer crashed: ${messageOf(payload.error)}`);
    });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: 16,
      eachBatch: (payload) => this.deliver(consumer, payload),
    });
    // a crash before it has joined is told like one later, and `run` resolves all the same: whoever opens it tries again
    if (crash) throw crash;
    joined = true;
  }

  private async shut(): Promise<void> {
    const { consumer, watch } = this;
    this.consumer = undefined;
    this.watch = undefined;
    if (this.assigned.length > 0) this.revoke();
    this.fetchEnd.end();
    await consumer?.disconnect().catch(() => undefined);
    await watch?.close();
  }

  private assign(partitions: readonly number[]): void {
    this.revoke();
    this.assigned = [...partitions];
    this.deliveredAt = this.fetchedAt = performance.now();
    this.options.onAssigned(this.assigned, this.generation);
    void this.goToStart(this.generation);
  }

  /** kafkajs starts at whatever is committed. A position beyond the end of a new topic would wait there and skip what comes. */
  private async goToStart(generation: number): Promise<void> {
    const foreign = (await this.watch?.foreignCommits().catch(() => undefined)) ?? []; // the first batch asks again
    if (generation !== this.generation) return;
    for (const partition of foreign)
      if (this.assigned.includes(partition))
        this.tell((consumer) => consumer.seek({ topic: this.options.topic, partition, offset: '0' }));
  }

  private revoke(): void {
    this.generation += 1;
    this.watch?.forget();
    if (this.paused.size > 0)
      this.tell((consumer) => consumer.resume([{ topic: this.options.topic, partitions: [...this.paused] }]));
    this.paused.clear();
    if (this.assigned.length > 0) this.options.onRevoked();
    this.assigned = [];
  }

  private async deliver(consumer: Consumer, payload: EachBatchPayload): Promise<void> {
    const { batch } = payload;
    const generation = this.generation;
    const isCurrent = (): boolean =>
      generation === this.generation && consumer === this.consumer && payload.isRunning() && !payload.isStale();
    const first = batch.messages[0];
    if (!first || !isCurrent() || !this.watch) return;
    const judged = await this.watch.judge(batch.partition, BigInt(first.offset), BigInt(batch.lastOffset()) + 1n);
    if (!isCurrent()) return;
    if (judged.kind === 'seek')
      return void consumer.seek({ topic: batch.topic, partition: batch.partition, offset: String(judged.to) });
    if (judged.kind === 'lost') this.options.onOffsetsLost(judged.loss);
    this.busy += 1;
    try {
      await this.options.onBatch({
        partition: batch.partition,
        generation,
        records: batch.messages.map(({ offset, value }) => ({ offset: BigInt(offset), value })),
        heartbeat: () => payload.heartbeat(),
        isCurrent,
      });
    } catch (error) {
      // what was half taken over would otherwise be taken for known when it comes again
      if (isCurrent()) this.assign(this.assigned);
      throw error;
    } finally {
      this.busy -= 1;
      this.deliveredAt = performance.now();
    }
    // after a rebalance this would move the new assignment's position past what was never settled
    if (isCurrent()) payload.resolveOffset(batch.lastOffset());
  }

  /** kafkajs may sit connected and fetch nothing, or fetch and deliver nothing: judge by records, not by the connection. */
  private async lookForStandstill(): Promise<void> {
    const limit = this.options.stuckAfterMs ?? 30_000;
    if (this.stopping || this.restarting || this.busy > 0 || !this.watch) return;
    const now = performance.now();
    if (now - this.fetchedAt > limit) return this.restart(`nothing fetched for ${Math.round(limit / 1_000)} s`);
    const open = this.assigned.filter((partition) => !this.paused.has(partition));
    if (open.length === 0 || now - this.deliveredAt <= limit) return;
    const waiting = await this.watch.recordsWaiting(open).catch(() => false);
    if (waiting && performance.now() - this.deliveredAt > limit)
      this.restart(`records are waiting and none was delivered for ${Math.round(limit / 1_000)} s`);
    else this.deliveredAt = performance.now();
  }

  private restart(why: string): void {
    if (this.stopping || this.restarting) return;
    this.options.log?.warn({ group: this.options.group }, `hint consumer is made anew: ${why}`);
    this.restarting = (async () => {
      for (let attempt = 1; !this.stopping; attempt += 1) {
        await this.shut();
        try {
          return await this.open();
        } catch (error) {
          this.options.log?.warn({ group: this.options.group }, `hint consumer could not start: ${messageOf(error)}`);
          await new Promise((resolve) =>
            setTimeout(resolve, Math.min(5_000, 200 * 2 ** attempt) * (0.5 + Math.random() / 2)),
          );
        }
      }
    })().finally(() => {
      this.restarting = undefined;
    });
  }
}
