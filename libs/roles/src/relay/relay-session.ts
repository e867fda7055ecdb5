import { setTimeout as delay } from 'node:timers/promises';
import { zeroLsn, type Lsn, type MigrationId } from '@highwater/kernel';
import {
  ContiguousAck,
  inFlightLimits,
  intakeVerdict,
  nextLookMs,
  slotDifference,
  streamDifference,
  type BrokenStream,
  type InFlightLimits,
  type StreamInfo,
} from '@highwater/change-stream';
import { HintProducer, TopicInspector, type KafkaSettings } from '@highwater/messaging';
import {
  bridgePrefix,
  classifyReplicationFailure,
  fencePrefix,
  parseBridgedStatement,
  publicationFacts,
  raiseSlotPosition,
  readSlotPosition,
  SlotReader,
  type Database,
  type FillTarget,
  type ReplicationMessage,
  type ReplicationServer,
} from '@highwater/target-db';
import type { HintSource } from '../control/published-tables.js';
import { BridgeCounter } from './bridge-counter.js';
import { HintMaker } from './hint-maker.js';
import { HintOutbox } from './hint-outbox.js';

export interface RelayLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface RelaySessionOptions {
  readonly database: Database;
  readonly kafka: KafkaSettings;
  readonly migrationId: MigrationId;
  readonly short: string;
  readonly stream: StreamInfo;
  readonly targets: readonly FillTarget[];
  /** Of the entities that we make. */
  readonly sources?: readonly HintSource[];
  readonly logger: RelayLog;
  /** Between two looks at publication and topic; what was received before a look may be acknowledged after it. The first ones of a session come sooner: `nextLookMs`. */
  readonly checkEveryMs?: number;
  readonly inFlight?: InFlightLimits;
  /** What earlier sessions of this relay acknowledged: a server whose WAL ends before that has another history. */
  readonly acknowledgedBefore?: Lsn;
  /** Sessions in a row that the server's silence ended: see `SlotReader`. */
  readonly silencesBefore?: number;
  readonly onStreaming: () => void;
  readonly onProgress: () => void;
}

export type SessionEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'standby' }
  | { readonly kind: 'broken'; readonly broken: BrokenStream }
  | { readonly kind: 'retry'; readonly error: unknown };

/** What a stop gives the last look: with a broker that answers nothing it would take until kafkajs has tried for the last time. */
const lastLookMs = 3_000;
/** What the end of a session gives Kafka's clients to take their leave; a silent connection is ended by its socket. */
const goodbyeMs = 3_000;

async function atMost(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  const done = new AbortController();
  await Promise.race([work, delay(ms, undefined, { signal: done.signal })]).finally(() => done.abort());
}

class BrokenStreamError extends Error {
  constructor(readonly broken: BrokenStream) {
    super(broken.message);
  }
}

/**
 * One replication connection with its producer, from connecting to its end. Made, run once, thrown away. It begins behind what earlier ones of this relay
 * recorded, also where the server was not told of it any more.
 *
 * A position is acknowledged in this order: every hint up to it is stored by Kafka (or every bridge message counted), then
 * publication and topic are found unchanged *after* it was received, then it is recorded, then the server is told. So a slot that
 * stands further than the record was moved by somebody else; that is looked at once, while the slot is ours and before the first
 * acknowledgement: an active slot cannot be advanced.
 */
export class RelaySession {
  private readonly ack = new ContiguousAck();
  private readonly producer: HintProducer;
  private readonly inspector: TopicInspector;
  private readonly outbox: HintOutbox;
  private readonly bridge: BridgeCounter;
  private readonly reader: SlotReader;
  private hints: HintMaker | undefined;
  private server: ReplicationServer | undefined;
  private positionCompared = false;
  private failure: { readonly error: unknown } | undefined;
  private ended = false;
  private stopping = false;
  private paused = false;
  private checking: Promise<void> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private looks = 0;
  private readonly stopAsked = new AbortController();
  ackedLsn: Lsn = zeroLsn;
  receivedLsn: Lsn = zeroLsn;
  streaming = false;

  constructor(private readonly options: RelaySessionOptions) {
    const { database, kafka, logger, migrationId, short, stream } = options;
    this.producer = new HintProducer(kafka, stream.topic, logger);
    this.inspector = new TopicInspector(kafka, logger);
    const settled = (): void => this.settled();
    const failed = (error: unknown): void => this.fail(error);
    this.outbox = new HintOutbox((records) => this.producer.send(records), settled, failed);
    this.bridge = new BridgeCounter(database.state, migrationId, short, settled, failed);
    const handlers = {
      onServer: (server: ReplicationServer) => this.meet(server),
      onStreaming: () => this.begin(),
      onMessage: (message: ReplicationMessage) => this.take(message),
      onKeepalive: (walEnd: Lsn) => this.keepalive(walEnd),
      acknowledged: () => this.ackedLsn,
      storedBefore: options.acknowledgedBefore ?? zeroLsn,
    };
    const { settings } = database;
    this.reader = new SlotReader(settings, stream.slot, stream.publication, handlers, options.silencesBefore);
  }

  get hintsSent(): number {
    return this.outbox.sent;
  }
  get inFlightBytes(): number {
    return this.outbox.bytes + this.bridge.bytes;
  }

  async run(): Promise<SessionEnd> {
    try {
      await this.prepareUnlessStopped();
      if (!this.stopping) await this.reader.run();
      if (this.failure) throw this.failure.error;
      return { kind: 'stopped' };
    } catch (thrown) {
      const error = this.failure?.error ?? thrown;
      if (this.stopping) return { kind: 'stopped' };
      if (error instanceof BrokenStreamError) return { kind: 'broken', broken: error.broken };
      const failure = classifyReplicationFailure(error, this.options.stream.slot);
      return failure.kind === 'retry' ? { kind: 'retry', error } : failure;
    } finally {
      this.streaming = false;
      this.ended = true;
      if (this.timer) clearTimeout(this.timer);
      this.outbox.close();
      this.bridge.close();
      await this.reader.close();
      const looked = this.checking?.catch(() => undefined);
      await (this.stopping ? atMost(lastLookMs, looked) : looked);
      await this.leaveKafka();
    }
  }

  /** Stops reading, waits (bounded) until what was read is stored, acknowledges it, ends. */
  async stop(drainMs = 3_000): Promise<void> {
    this.stopping = true;
    this.stopAsked.abort();
    this.reader.pause();
    const deadline = performance.now() + drainMs;
    while (!this.ended && this.streaming && !(this.outbox.idle && this.bridge.idle) && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 5));
    if (this.streaming) await atMost(lastLookMs, this.acknowledge()).catch(() => undefined);
    await this.reader.close();
  }

  private meet(server: ReplicationServer): void {
    const { stream, migrationId, targets, sources = [] } = this.options;
    if (server.systemIdentifier !== stream.systemIdentifier)
      throw new BrokenStreamError({
        reason: 'OtherServer',
        message: `the server has system identifier ${server.systemIdentifier}, the stream was opened on ${stream.systemIdentifier}`,
      });
    this.server = server;
    this.hints = new HintMaker(migrationId, stream, targets, sources, server.xidReference);
  }

  private begin(): void {
    this.streaming = true;
    this.options.onStreaming();
    this.scheduleCheck();
  }

  private take(message: ReplicationMessage): void {
    this.options.onProgress();
    switch (message.kind) {
      case 'begin':
        this.ack.begin();
        this.hints?.begin(message.xid, message.commitLsn);
        return;
      case 'insert':
        return this.takeRow(message);
      case 'message':
        return this.takeMessage(message);
      case 'commit':
        this.ack.commit(message.endLsn);
        this.receivedLsn = message.endLsn;
        return;
    }
  }

  private takeRow(message: Extract<ReplicationMessage, { kind: 'insert' }>): void {
    const work = this.ack.current();
    const made = this.hints?.row(message.relid, message.values);
    if (!work || !made) throw new Error('invariant broken: a row outside a transaction');
    switch (made.kind) {
      case 'records':
        for (const record of made.records) this.outbox.add(record, work);
        return this.judgeIntake();
      case 'missingColumn':
        throw new BrokenStreamError({
          reason: 'DecodingFailed',
          message: `a row of ${message.schema}.${message.table} came without key column ${made.column}; the publication is not the one we made`,
        });
      case 'none':
        if (made.why === 'TooLarge')
          this.options.logger.warn(
            { table: message.table },
            'a key is too long for a hint; the tail passes fill its row',
          );
    }
  }

  private takeMessage(message: Extract<ReplicationMessage, { kind: 'message' }>): void {
    if (message.prefix === fencePrefix && message.transactional) {
      const records = this.hints?.fence(message.content, message.lsn) ?? [];
      const work = this.ack.current();
      if (records.length > 0 && work) this.outbox.addFence(records, work);
    } else if (message.prefix === bridgePrefix && !message.transactional) {
      const use = parseBridgedStatement(message.content, message.lsn, this.options.migrationId, this.options.short);
      if (use) this.bridge.add(use, this.ack.message(message.lsn));
    }
    this.judgeIntake();
  }

  private keepalive(walEnd: Lsn): void {
    this.options.onProgress();
    if (walEnd > this.receivedLsn) this.receivedLsn = walEnd;
    this.ack.keepalive(walEnd);
  }

  private judgeIntake(): void {
    const verdict = intakeVerdict(this.inFlightBytes, this.paused, this.options.inFlight ?? inFlightLimits);
    if (verdict === 'keep' || this.stopping) return;
    this.paused = verdict === 'pause';
    if (this.paused) this.reader.pause();
    else this.reader.resume();
  }

  private settled(): void {
    this.judgeIntake();
  }

  private scheduleCheck(): void {
    if (this.ended || this.stopping) return;
    const waitMs = nextLookMs(this.looks, this.options.checkEveryMs ?? 500);
    this.looks += 1;
    this.timer = setTimeout(() => {
      this.acknowledge().then(
        () => this.scheduleCheck(),
        (error: unknown) => this.fail(error),
      );
    }, waitMs);
  }

  /** One look at a time; the candidate is read before the look, so the look vouches for it. */
  private acknowledge(): Promise<void> {
    this.checking ??= (async () => {
      const candidate = this.ack.acknowledgeable();
      await this.compare();
      await this.comparePosition();
      if (candidate <= this.ackedLsn) return;
      const { database, migrationId, stream } = this.options;
      await raiseSlotPosition(database.state, { migrationId, slot: stream.slot, position: candidate });
      this.ackedLsn = candidate;
      this.reader.report();
    })().finally(() => {
      this.checking = undefined;
    });
    return this.checking;
  }

  /**
   * Before the slot: a relay that cannot reach Kafka must not hold it. kafkajs cannot be told to stop connecting, and goes on for a minute where a
   * broker swallows what it is sent; so who stops does not wait for it, and what it still opens is closed when it is open.
   */
  private async prepareUnlessStopped(): Promise<void> {
    const { signal } = this.stopAsked;
    if (signal.aborted) return;
    const prepared = this.open().then(() => (signal.aborted ? undefined : this.compare()));
    const stopped = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    await Promise.race([prepared, stopped]);
    if (signal.aborted) void prepared.catch(() => undefined).then(() => this.leaveKafka());
  }

  /** kafkajs says goodbye when every request is answered, or has been given up for the last time. */
  private leaveKafka(): Promise<void> {
    return atMost(goodbyeMs, Promise.all([this.producer.close(), this.inspector.close()]));
  }

  /** All at once, so that the first look finds its sessions open; none is left behind half made when another fails. */
  private async open(): Promise<void> {
    const { stream, state } = this.options.database;
    const sessions = [stream, state].map((access) => access.session('preparing to look', () => Promise.resolve()));
    const opened = await Promise.allSettled([this.producer.connect(), ...sessions]);
    for (const one of opened) if (one.status === 'rejected') throw one.reason;
  }

  private async compare(): Promise<void> {
    const { database, stream } = this.options;
    const [publication, topic] = await Promise.all([
      publicationFacts(database.stream, stream.publication),
      this.inspector.topicFacts(stream.topic),
    ]);
    const broken = streamDifference(stream, publication, topic);
    if (broken) throw new BrokenStreamError(broken);
  }

  private async comparePosition(): Promise<void> {
    const { server } = this;
    if (this.positionCompared || !server) return;
    const { database, migrationId, stream, acknowledgedBefore = zeroLsn } = this.options;
    const { slot } = stream;
    const { confirmedLsn, ...record } = await readSlotPosition(database.state, migrationId, slot);
    const broken = slotDifference(
      stream,
      { ...record, acknowledgedHere: acknowledgedBefore },
      { confirmedLsn, timeline: server.timeline, walEnd: server.walEnd },
    );
    if (broken) throw new BrokenStreamError(broken);
    const position = record.acknowledgedLsn ?? confirmedLsn;
    if (position !== null && (record.acknowledgedLsn === null || record.timeline === null))
      await raiseSlotPosition(database.state, { migrationId, slot, position, timeline: server.timeline });
    this.positionCompared = true;
  }

  private fail(error: unknown): void {
    this.failure ??= { error };
    void this.reader.close();
  }
}
