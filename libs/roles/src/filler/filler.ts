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
  CommitWitness,
  databaseError,
  heldSomewhere,
  isTransient,
  visibleNow,
  type EntityTarget,
  type FillTarget,
} from '@highwater/target-db';
import type { WorkerLog } from '../sweeper/worker-log.js';
import { Arrivals } from './arrivals.js';
import type { Assignment } from './assignment.js';
import { BatchSize, fillPaceMs, fillsMax } from './fill-pace.js';
import { GateClosed } from './gate-closed.js';
import { lookAt, type LookContext } from './look.js';
import { OffsetCommitter } from './offset-committer.js';
import { contendItem, deferItem, parkedPauseMs, parkedUnprovenMsMax, parkItem } from './retry-policy.js';
import { bury, storeFences } from './settle.js';
import { entitiesBySource, targetsByTable, triage, type HintItem } from './triage.js';

export interface FillerOptions extends LookContext {
  readonly kafka: KafkaSettings;
  readonly migrationId: string;
  readonly stream: StreamInfo;
  readonly targets: readonly FillTarget[];
  readonly entities?: readonly EntityTarget[];
  readonly logger: WorkerLog;
  readonly sessionTimeoutMs?: number;
  readonly stuckAfterMs?: number;
  /** Hints were removed before anybody read them: only a new epoch's sweep finds their rows. */
  readonly onBroken: (broken: BrokenStream) => void;
  /** An error that waiting may not cure; the filler goes on trying. */
  readonly onFatal?: (error: Error) => void;
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

const lookEveryMs = 5;

/**
 * Kafka → rows. One per process and migration; the group shares the partitions.
 *
 *   stopped ──start──▶ joining ──assigned──▶ consuming ◀──gate open, database back──▶ held
 *                         ▲                      │              (partitions paused, hints kept)
 *                         └──────── revoked ─────┘  (hints dropped, not committed)
 *
 *   hint: arrived ─fillBatch, createEntities─▶ final verdict ─▶ settled ─▶ on disk ─▶ offset committed
 *             ▲         └─ parked, contended, or the batch failed: looked at again when due ─┘
 *
 * Durable: entities, then rows, with the tally, in one commit each; once that is on disk, the offset. A crash between the two makes the hint come
 * again, and its answer is `already`.
 */
export class Filler {
  private readonly consumer: HintConsumer;
  private readonly deadLetters: DeadLetterProducer;
  private readonly tables: ReadonlyMap<string, readonly FillTarget[]>;
  private readonly sources: ReadonlyMap<string, readonly EntityTarget[]>;
  private readonly counts = Object.fromEntries(verdicts.map((verdict) => [verdict, 0])) as Record<Verdict, number>;
  private assignment: Assignment | undefined;
  private running = false;
  private holdReason: string | null = null;
  private failures = 0;
  private looking: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private paceTimer: ReturnType<typeof setTimeout> | undefined;
  /** Fill transactions of arrived hints under way, and when the last one began (monotonic ms). */
  private fills = 0;
  private fillBeganAt = -Infinity;
  private readonly batch = new BatchSize();
  private idle: (() => void) | undefined;

  constructor(private readonly options: FillerOptions) {
    const { kafka, migrationId, stream, logger } = options;
    this.tables = targetsByTable(options.targets);
    // no hint ever makes one of the application's
    this.sources = entitiesBySource((options.entities ?? []).filter(({ entity }) => entity.createdBy === 'highwater'));
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
    clearTimeout(this.paceTimer);
    this.assignment?.arrivals.close();
    await this.looking;
    if (this.fills > 0) await new Promise<void>((resolve) => (this.idle = resolve));
    await this.assignment?.committer.flush();
    if (this.assignment) this.assignment.current = false; // a fence that is being stored still is no failure
    this.assignment?.witness.end();
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
    const { database, logger } = this.options;
    const witness = new CommitWitness(database.fill, (why) => {
      // what was filled and not flushed may be gone with a crash of the server, and no hint in memory says so
      if (this.running && this.assignment?.witness === witness)
        this.consumer.startOver(`the session that watched over its fills ended: ${why}`);
    });
    this.assignment = {
      generation,
      partitions: progress,
      witness,
      committer: new OffsetCommitter(
        this.consumer,
        generation,
        progress,
        () => witness.flush(),
        (error) => logger.debug({ error: messageOf(error) }, 'offsets not committed; they will be with the next batch'),
      ),
      paused: new Set(),
      arrivals: new Arrivals(),
      pending: [],
      dead: [],
      uncounted: [],
      unfinished: false,
      current: true,
    };
  }

  private revoke(): void {
    if (this.assignment) this.assignment.current = false;
    this.assignment?.arrivals.close();
    this.assignment?.witness.end();
    this.assignment = undefined;
    this.holdReason = null;
  }

  private async take(batch: IncomingBatch): Promise<void> {
    const assignment = this.assignment;
    const progress = assignment?.partitions.get(batch.partition);
    if (!assignment || !progress || !this.running || assignment.generation !== batch.generation)
      throw new Error('not assigned any more');
    const items: HintItem[] = [];
    const { migrationId, stream } = this.options;
    const expected = {
      migrationId,
      epoch: stream.epoch,
      partition: batch.partition,
      partitions: stream.partitions,
      tables: this.tables,
      sources: this.sources,
    };
    const now = performance.now();
    let others = false;
    for (const { offset, value } of batch.records) {
      const found = triage(value, expected);
      if (!progress.receive(offset, found.kind === 'fence' ? found.token : undefined)) continue;
      others ||= found.kind !== 'look';
      if (found.kind === 'deadLetter') assignment.dead.push({ progress, offset, reason: found.reason });
      else if (found.kind === 'look')
        items.push({
          progress, offset, key: found.key, xid: found.xid, open: found.targets, openEntities: found.entities,
          arrivedAtMs: now, dueAtMs: now, contended: 0, parked: 0, forced: false,
        }); // prettier-ignore
    }
    assignment.arrivals.add(items);
    this.fillSoon();
    if (others) await this.afterSettling(assignment); // no fill may follow that would do it
    await assignment.arrivals.room(() => batch.heartbeat());
  }

  /**
   * Looks at what has arrived: at once after a quiet moment, otherwise every `fillPaceMs` or when a batch is full. Fetching goes on
   * meanwhile, so that the hints of the next fill gather while this one runs.
   */
  private fillSoon(): void {
    const { assignment } = this;
    if (!this.running || !assignment || this.holdReason !== null || assignment.arrivals.length === 0) return;
    const full = assignment.arrivals.length >= this.batch.rows;
    if (this.fills >= (full ? fillsMax : 1)) return; // its end calls again
    const waitMs = full ? 0 : Math.ceil(this.fillBeganAt + fillPaceMs - performance.now());
    if (waitMs > 0) {
      this.paceTimer ??= setTimeout(() => {
        this.paceTimer = undefined;
        this.fillSoon();
      }, waitMs);
      return;
    }
    this.fillBeganAt = performance.now();
    this.fills += 1;
    void this.fillArrived(assignment).finally(() => {
      this.fills -= 1;
      if (this.fills === 0) this.idle?.();
      this.fillSoon();
    });
    this.fillSoon();
  }

  private async fillArrived(assignment: Assignment): Promise<void> {
    await this.judge(assignment, assignment.arrivals.take(this.batch.rows));
    await this.afterSettling(assignment);
  }

  /** One look at hints: fill each table's targets, settle what is final, keep the rest with the time of its next look. */
  private async judge(assignment: Assignment, items: readonly HintItem[]): Promise<void> {
    const looked = await lookAt(this.options, assignment.witness, items);
    if (looked.failed !== undefined) this.hold(assignment, looked.failed);
    else this.release(assignment);
    for (const [verdict, count] of Object.entries(looked.counted)) this.counts[verdict as Verdict] += count;
    assignment.dead.push(...looked.dead);
    // a batch that was cut off before anything was judged would be cut off again at the same size
    this.batch.looked(items.length, looked.untried || (looked.failed !== undefined && isTransient(looked.failed)));
    const now = performance.now();
    for (const { item, targets, entities, verdict } of looked.kept) {
      item.open = targets;
      item.openEntities = entities;
      if (verdict === 'parked') parkItem(item, now);
      else if (looked.failed !== undefined) deferItem(item, now + this.failurePauseMs(looked.failed));
      else if (verdict === 'contended') contendItem(item, now);
      else deferItem(item, now);
      assignment.pending.push(item);
    }
    this.lookSoon();
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
    const chosen = new Set(due.slice(0, 4 * this.batch.rows));
    assignment.pending = assignment.pending.filter((item) => !chosen.has(item));
    const items = [...chosen].sort((a, b) => (a.offset < b.offset ? -1 : 1));
    while (items.length > 0) await this.judge(assignment, items.splice(0, this.batch.rows));
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
      const buried = await bury(assignment, this.deadLetters, this.options); // before the sum: partitions come here side by side
      this.counts.dead_letter += buried;
      await storeFences(assignment, this.options);
      if (assignment.unfinished) this.release(assignment);
      assignment.unfinished = false;
    } catch (error) {
      assignment.unfinished = true;
      this.hold(assignment, error);
      this.lookSoon();
    }
    if (!assignment.current) return;
    assignment.committer.soon();
    this.adjustIntake(assignment);
  }

  /** Halted, or the database does not answer: nothing more is taken, what is here is kept. */
  private hold(assignment: Assignment, error: unknown): void {
    if (!assignment.current) return; // the next assignment has nothing pending that could ever release it
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
    this.fillSoon();
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
