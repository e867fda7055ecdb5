import { PartitionProgress, type BrokenStream, type StreamInfo } from '@highwater/change-stream';
import { isHighwaterError, messageOf, verdicts, type Verdict } from '@highwater/kernel';
import {
  DeadLetterProducer,
  HintConsumer,
  topicNames,
  type IncomingBatch,
  type KafkaSettings,
} from '@highwater/messaging';
import { backoffMs } from '@highwater/sweep';
import {
  databaseError,
  fillBatch,
  heldSomewhere,
  recordFenceArrival,
  visibleNow,
  type Database,
  type FillTarget,
} from '@highwater/target-db';
import type { WorkerLog } from '../sweeper/worker-log.js';
import { OffsetCommitter } from './offset-committer.js';
import { contendedLooksMax, contendedPauseMs, parkedPauseMs, parkedUnprovenMsMax } from './retry-policy.js';
import { targetsByTable, triage, type HintItem } from './triage.js';

export interface FillerOptions {
  readonly database: Database;
  readonly kafka: KafkaSettings;
  readonly migrationId: string;
  readonly stream: StreamInfo;
  readonly targets: readonly FillTarget[];
  readonly limits: { readonly rowBudgetMs: number };
  readonly logger: WorkerLog;
  readonly sessionTimeoutMs?: number;
  readonly stuckAfterMs?: number;
  /** Hints were removed before anybody read them: only a new epoch's sweep finds their rows. */
  readonly onBroken: (broken: BrokenStream) => void;
  /** An error that waiting may not cure; the filler goes on trying. */
  readonly onFatal?: (error: Error) => void;
  /** For metrics: verdicts of one batch of one target, and how long it took. */
  readonly onBatchFilled?: (batch: {
    target: FillTarget;
    verdicts: Readonly<Partial<Record<Verdict, number>>>;
    tookMs: number;
  }) => void;
}

export interface FillerStatus {
  /** `held`: halted, or the database does not answer; `reason` says which. */
  readonly state: 'stopped' | 'joining' | 'consuming' | 'held';
  readonly reason: string | null;
  readonly partitions: readonly number[];
  readonly parked: number;
  readonly contended: number;
  readonly unsettled: number;
  readonly verdicts: Readonly<Record<Verdict, number>>;
}

/** Hints per fill transaction: bounds how long it holds its rows. */
const batchRowsMax = 500;
const lookEveryMs = 5;

/** Everything of one assignment; dropped as a whole when the partitions are revoked, nothing committed. */
interface Assignment {
  readonly generation: number;
  readonly partitions: Map<number, PartitionProgress>;
  readonly committer: OffsetCommitter;
  readonly paused: Set<number>;
  pending: HintItem[];
  /** Found unusable, not yet stored in the dead-letter topic; unsettled until they are. */
  dead: { readonly progress: PartitionProgress; readonly offset: bigint; readonly reason: string }[];
  /** Dead letters or a fence could not be stored; look again although no hint is pending. */
  unfinished: boolean;
  current: boolean;
}

/**
 * Kafka → rows. One per process and migration; the group shares the partitions.
 *
 *   stopped ──start──▶ joining ──assigned──▶ consuming ◀──gate open, database back──▶ held
 *                         ▲                      │              (partitions paused, hints kept)
 *                         └──────── revoked ─────┘  (hints dropped, not committed)
 *
 *   hint: received ─fillBatch─▶ final verdict ─▶ settled ─▶ offset committed
 *             ▲         └─ parked, contended, or the batch failed: looked at again when due ─┘
 *
 * Durable: the rows, with the tally, in one commit; then the offset. A crash between the two makes the hint come again, and its answer is `already`.
 */
export class Filler {
  private readonly consumer: HintConsumer;
  private readonly deadLetters: DeadLetterProducer;
  private readonly tables: ReadonlyMap<string, readonly FillTarget[]>;
  private readonly counts = Object.fromEntries(verdicts.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  private assignment: Assignment | undefined;
  private running = false;
  private holdReason: string | null = null;
  private failures = 0;
  private looking: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private inFlight = 0;
  private idle: (() => void) | undefined;

  constructor(private readonly options: FillerOptions) {
    const { kafka, migrationId, stream, logger } = options;
    this.tables = targetsByTable(options.targets);
    this.deadLetters = new DeadLetterProducer(kafka, stream.deadLetterTopic, logger);
    this.consumer = new HintConsumer({
      kafka,
      topic: stream.topic,
      topicId: stream.topicId,
      group: topicNames(kafka.topicPrefix, migrationId).group,
      ...(options.sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs: options.sessionTimeoutMs }),
      ...(options.stuckAfterMs === undefined ? {} : { stuckAfterMs: options.stuckAfterMs }),
      log: logger,
      onBatch: (batch) => this.take(batch),
      onAssigned: (partitions, generation) => this.assign(partitions, generation),
      onRevoked: () => this.revoke(),
      onOffsetsLost: ({ partition, expected, found }) =>
        options.onBroken({
          reason: 'OffsetsLost',
          message: `partition ${partition} of topic ${stream.topic} has lost offsets ${expected} to ${found - 1n}; their hints were never read`,
        }),
    });
  }

  async start(): Promise<void> {
    this.running = true;
    await this.deadLetters.connect();
    await this.consumer.start();
  }

  /** Finishes the batches under way, commits what is settled, leaves the group. */
  async stop(): Promise<void> {
    this.running = false;
    clearTimeout(this.timer);
    await this.looking;
    if (this.inFlight > 0) await new Promise<void>((resolve) => (this.idle = resolve));
    await this.assignment?.committer.flush();
    await this.consumer.stop();
    await this.deadLetters.close();
  }

  status(): FillerStatus {
    const progress = [...(this.assignment?.partitions.values() ?? [])];
    const sum = (of: (p: PartitionProgress) => number): number => progress.reduce((total, p) => total + of(p), 0);
    return {
      state: !this.running ? 'stopped' : this.holdReason ? 'held' : this.assignment ? 'consuming' : 'joining',
      reason: this.holdReason,
      partitions: progress.map((p) => p.partition),
      parked: sum((p) => p.parkedCount),
      contended: sum((p) => p.contendedCount),
      unsettled: sum((p) => p.unsettledCount),
      verdicts: { ...this.counts },
    };
  }

  private assign(partitions: readonly number[], generation: number): void {
    const progress = new Map(partitions.map((partition) => [partition, new PartitionProgress(partition)]));
    this.assignment = {
      generation,
      partitions: progress,
      committer: new OffsetCommitter(this.consumer, generation, progress, (error) =>
        this.options.logger.debug(
          { error: messageOf(error) },
          'offsets not committed; they will be with the next batch',
        ),
      ),
      paused: new Set(),
      pending: [],
      dead: [],
      unfinished: false,
      current: true,
    };
  }

  private revoke(): void {
    if (this.assignment) this.assignment.current = false;
    this.assignment = undefined;
    this.holdReason = null;
  }

  private async take(batch: IncomingBatch): Promise<void> {
    const assignment = this.assignment;
    const progress = assignment?.partitions.get(batch.partition);
    if (!assignment || !progress || !this.running || assignment.generation !== batch.generation)
      throw new Error('not assigned any more');
    this.inFlight += 1;
    try {
      const { migrationId, stream } = this.options;
      const expected = {
        migrationId,
        epoch: stream.epoch,
        partition: batch.partition,
        partitions: stream.partitions,
        tables: this.tables,
      };
      const items: HintItem[] = [];
      const now = performance.now();
      for (const { offset, value } of batch.records) {
        const found = triage(value, expected);
        if (!progress.receive(offset, found.kind === 'fence' ? found.token : undefined)) continue;
        if (found.kind === 'deadLetter') assignment.dead.push({ progress, offset, reason: found.reason });
        else if (found.kind === 'row')
          items.push({
            progress, offset, key: found.key, xid: found.xid, open: found.targets,
            arrivedAtMs: now, dueAtMs: now, contended: 0, parked: 0, forced: false,
          }); // prettier-ignore
      }
      for (let from = 0; from < items.length; from += batchRowsMax) {
        await this.judge(assignment, items.slice(from, from + batchRowsMax));
        if (from > 0) await batch.heartbeat();
      }
      await this.afterSettling(assignment);
    } finally {
      this.inFlight -= 1;
      if (this.inFlight === 0) this.idle?.();
    }
  }

  /** One look at hints: fill each table's targets, settle what is final, keep the rest with the time of its next look. */
  private async judge(assignment: Assignment, items: readonly HintItem[]): Promise<void> {
    const byTarget = new Map<FillTarget, HintItem[]>();
    for (const item of items)
      for (const target of item.open) {
        const hints = byTarget.get(target);
        if (hints) hints.push(item);
        else byTarget.set(target, [item]);
      }
    const open = new Map<HintItem, { targets: FillTarget[]; parked: boolean }>();
    const keep = (item: HintItem, target: FillTarget, parked: boolean): void => {
      const kept = open.get(item) ?? { targets: [], parked: false };
      open.set(item, { targets: [...kept.targets, target], parked: kept.parked || parked });
    };
    const dead = new Map<HintItem, string>();
    let failed: unknown;
    for (const [target, hints] of byTarget) {
      try {
        await this.fill(target, hints, keep, dead);
        continue;
      } catch (error) {
        failed = error;
      }
      for (const item of hints) keep(item, target, false);
    }
    if (failed !== undefined) this.hold(assignment, failed);
    else this.release(assignment);
    const now = performance.now();
    for (const item of items) {
      const reason = dead.get(item);
      if (reason !== undefined) assignment.dead.push({ progress: item.progress, offset: item.offset, reason });
      else this.settleOrKeep(assignment, item, open.get(item), failed, now);
    }
    this.lookSoon();
  }

  private async fill(
    target: FillTarget,
    items: readonly HintItem[],
    keep: (item: HintItem, target: FillTarget, parked: boolean) => void,
    dead: Map<HintItem, string>,
  ): Promise<void> {
    const began = performance.now();
    const outcome = await fillBatch(
      this.options.database.fill,
      target,
      items.map((item) => ({
        key: item.key,
        xid: item.xid,
        partition: item.progress.partition,
        forced: item.forced,
        parkedBefore: item.parked > 0,
        lastLook: item.contended >= contendedLooksMax,
      })),
      this.options.limits,
    );
    if (outcome.kind === 'gateClosed') throw new GateClosed();
    const counted: Partial<Record<Verdict, number>> = {};
    items.forEach((item, i) => {
      const answer = outcome.verdicts[i] ?? { verdict: 'contended' as const };
      if (answer.verdict === 'parked') keep(item, target, true);
      else if (answer.verdict === 'contended' && item.contended < contendedLooksMax) return keep(item, target, false);
      else if (answer.verdict === 'dead_letter') dead.set(item, answer.reason);
      if (answer.verdict === 'parked' && item.parked > 0) return;
      counted[answer.verdict] = (counted[answer.verdict] ?? 0) + 1;
    });
    delete counted.dead_letter; // counted once it is stored
    for (const [verdict, count] of Object.entries(counted)) this.counts[verdict as Verdict] += count;
    this.options.onBatchFilled?.({ target, verdicts: counted, tookMs: performance.now() - began });
  }

  private settleOrKeep(
    assignment: Assignment,
    item: HintItem,
    kept: { targets: FillTarget[]; parked: boolean } | undefined,
    failed: unknown,
    now: number,
  ): void {
    if (!kept) return item.progress.settle(item.offset);
    item.open = kept.targets;
    if (kept.parked) {
      item.parked += 1;
      item.progress.park(item.offset);
      item.dueAtMs = now + parkedPauseMs(item, now);
    } else {
      if (failed === undefined) item.contended += 1;
      item.progress.contend(item.offset);
      item.dueAtMs = now + (failed === undefined ? contendedPauseMs(item.contended) : this.failurePauseMs(failed));
    }
    assignment.pending.push(item);
  }

  private failurePauseMs(error: unknown): number {
    return error instanceof GateClosed ? 200 : backoffMs(this.failures, Math.random(), { firstMs: 50, maxMs: 2_000 });
  }

  private lookSoon(): void {
    const wanted = this.assignment && (this.assignment.pending.length > 0 || this.assignment.unfinished);
    if (!this.running || this.timer || !wanted) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        this.looking ??= this.look().finally(() => {
          this.looking = undefined;
          this.lookSoon();
        });
      },
      this.holdReason !== null && (this.assignment?.pending.length ?? 0) === 0 ? 200 : lookEveryMs,
    );
  }

  /** Judges the kept hints that are due. Parked ones first prove that their transaction is visible, or that nobody holds it. */
  private async look(): Promise<void> {
    const assignment = this.assignment;
    if (!assignment) return;
    const now = performance.now();
    let due = assignment.pending.filter((item) => item.dueAtMs <= now);
    if (due.length === 0) {
      if (assignment.unfinished) await this.afterSettling(assignment);
      return;
    }
    try {
      due = await this.unparked(due, now);
    } catch (error) {
      this.hold(assignment, error);
      for (const item of due) item.dueAtMs = now + 250;
      return;
    }
    const chosen = new Set(due.slice(0, 4 * batchRowsMax));
    assignment.pending = assignment.pending.filter((item) => !chosen.has(item));
    const items = [...chosen].sort((a, b) => (a.offset < b.offset ? -1 : 1));
    for (let from = 0; from < items.length; from += batchRowsMax)
      await this.judge(assignment, items.slice(from, from + batchRowsMax));
    await this.afterSettling(assignment);
  }

  private async unparked(due: readonly HintItem[], now: number): Promise<HintItem[]> {
    const parked = due.filter((item) => item.parked > 0);
    if (parked.length === 0) return [...due];
    const visible = await visibleNow(
      this.options.database.fill,
      parked.map((item) => item.xid),
    );
    const old = parked.filter((item) => !visible.has(item.xid) && now - item.arrivedAtMs > parkedUnprovenMsMax);
    const held = await heldSomewhere(
      this.options.database.fill,
      old.map((item) => item.xid),
    );
    for (const item of old) item.forced = !held.has(item.xid);
    const ready = due.filter((item) => item.parked === 0 || visible.has(item.xid) || item.forced);
    for (const item of parked)
      if (!visible.has(item.xid) && !item.forced) item.dueAtMs = now + parkedPauseMs(item, now);
    return ready;
  }

  /** Dead letters, fences whose turn it is, offsets, intake. Never throws: what could not be stored is tried again. */
  private async afterSettling(assignment: Assignment): Promise<void> {
    try {
      await this.bury(assignment);
      for (const progress of assignment.partitions.values()) await this.storeFences(assignment, progress);
      if (assignment.unfinished) this.release(assignment);
      assignment.unfinished = false;
    } catch (error) {
      assignment.unfinished = true;
      this.hold(assignment, error);
      this.lookSoon();
    }
    if (!assignment.current) return;
    void assignment.committer.flush();
    this.adjustIntake(assignment);
  }

  private async bury(assignment: Assignment): Promise<void> {
    const dead = assignment.dead;
    if (dead.length === 0) return;
    assignment.dead = [];
    const { topic } = this.options.stream;
    try {
      await this.deadLetters.send(
        dead.map(({ progress, offset, reason }) => ({ reason, topic, partition: progress.partition, offset })),
      );
    } catch (error) {
      assignment.dead.push(...dead);
      throw error;
    }
    for (const { progress, offset } of dead) progress.settle(offset);
    this.counts.dead_letter += dead.length;
    const reasons = [...new Set(dead.map((letter) => letter.reason))];
    this.options.logger.warn({ reasons, count: dead.length }, 'hints sent to the dead-letter topic');
  }

  private async storeFences(assignment: Assignment, progress: PartitionProgress): Promise<void> {
    const { migrationId, stream } = this.options;
    const { epoch, partitions, topicId } = stream;
    for (let fence = progress.dueFence(); fence && assignment.current; fence = progress.dueFence()) {
      const { token, offset } = fence;
      await recordFenceArrival(this.options.database.fill, {
        migrationId,
        token,
        partition: progress.partition,
        epoch,
        partitions,
        topicId,
      });
      progress.settle(offset);
    }
  }

  /** Halted, or the database does not answer: nothing more is taken, what is here is kept. */
  private hold(assignment: Assignment, error: unknown): void {
    this.failures += 1;
    const closed = error instanceof GateClosed;
    const known = closed || isHighwaterError(error) ? (error as Error) : databaseError(error, 'filling hints');
    if (this.holdReason === null || this.holdReason !== known.message) {
      this.holdReason = known.message;
      this.options.logger.warn(
        { reason: known.message, code: isHighwaterError(known) ? known.code : null },
        'live fill held',
      );
      if (isHighwaterError(known) && known.retry === 'never') this.options.onFatal?.(known);
    }
    this.adjustIntake(assignment);
  }

  private release(assignment: Assignment): void {
    this.failures = 0;
    if (this.holdReason === null) return;
    this.holdReason = null;
    this.options.logger.info({}, 'live fill goes on');
    this.adjustIntake(assignment);
  }

  private adjustIntake(assignment: Assignment): void {
    if (!assignment.current) return;
    for (const progress of assignment.partitions.values()) {
      const { partition } = progress;
      const pause = this.holdReason !== null || progress.intake() === 'pause';
      if (pause === assignment.paused.has(partition)) continue;
      if (pause) {
        assignment.paused.add(partition);
        this.consumer.pause([partition]);
      } else {
        assignment.paused.delete(partition);
        this.consumer.resume([partition]);
      }
    }
  }
}

class GateClosed extends Error {
  constructor() {
    super('halted: the gate is closed');
  }
}
