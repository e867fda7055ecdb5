import type { EventStore, StoredEvent } from '@highwater/event-store';
import { isHighwaterError, messageOf } from '@highwater/kernel';
import type { EventTopicProducer, OutgoingEvent } from '@highwater/messaging';
import { cloudEventType, parseMigrationEvent } from '@highwater/migration';

/** Leadership that ends with its session; see `tryLead` of target-db. */
export interface Lead {
  release(): Promise<void>;
}

export interface EventPublisherOptions {
  readonly store: Pick<EventStore, 'readAll' | 'head' | 'checkpoint'>;
  readonly producer: Pick<EventTopicProducer, 'publish' | 'close'>;
  /** Undefined: another process publishes. */
  readonly lead: (onLost: (error: Error) => void) => Promise<Lead | undefined>;
  /** Called once per failure that waiting does not cure (a gap in the log, an event of a newer version). */
  readonly onFatal?: (error: Error) => void;
  /** Called whenever the count of stored but unpublished events is known anew. */
  readonly onUnpublished?: (count: number) => void;
  readonly checkpointName?: string;
  /** Between looks for new events, ms; `wake()` shortens it. */
  readonly pollMs?: number;
  /** Longest pause after failures, ms. */
  readonly pauseMsMax?: number;
}

export interface EventPublisherStatus {
  /** True: this process publishes; false: another one does, or none can. */
  readonly active: boolean;
  readonly publishedPosition: string | null;
  /** Stored but not yet published; null before the first look. */
  readonly unpublished: number | null;
  readonly lastError: { readonly code: string | null; readonly message: string } | null;
}

const batchMax = 100;

/**
 * Publishes the log to Kafka: at least once, in the order of positions, so in order per migration.
 *
 *   standby ──lead taken→ reading ──events→ publishing ──all stored by Kafka→ saving ──checkpoint→ reading
 *      ↖──lead lost or failure: nothing is remembered but the checkpoint──┘
 *
 * Durable: only the checkpoint, saved after Kafka has the events. A crash before the save publishes them again under the same ids. Two
 * leaders for a moment do the same: the checkpoint never goes back, and consumers deduplicate by ce_id.
 */
export class EventPublisher {
  private readonly checkpoint: ReturnType<EventStore['checkpoint']>;
  private held: Lead | undefined;
  private running: Promise<void> | undefined;
  private stopping = false;
  private wakeUp: () => void = () => undefined;
  private position: bigint | undefined;
  private unpublished: number | null = null;
  private lastError: EventPublisherStatus['lastError'] = null;

  constructor(private readonly options: EventPublisherOptions) {
    this.checkpoint = options.store.checkpoint(options.checkpointName ?? 'kafka');
  }

  /** Resolves at once: Kafka, the server or another publisher may keep it waiting, and `status()` says so. */
  start(): Promise<void> {
    this.running ??= this.loop();
    return Promise.resolve();
  }

  /** Finishes the batch under way, then gives the lead back. */
  async stop(): Promise<void> {
    this.stopping = true;
    this.wake();
    await this.running;
    await this.yieldLead();
    await this.options.producer.close();
  }

  /** Something was appended: look now. */
  wake(): void {
    this.wakeUp();
  }

  status(): EventPublisherStatus {
    return {
      active: this.held !== undefined,
      publishedPosition: this.position?.toString() ?? null,
      unpublished: this.unpublished,
      lastError: this.lastError,
    };
  }

  /** One step: publishes the next events behind the checkpoint and saves it. Returns how many; 0 also while another process leads. */
  async publishNext(): Promise<number> {
    const { store, producer } = this.options;
    if (!(await this.leads())) {
      this.report((await store.head()) - (await this.checkpoint.load()));
      return 0;
    }
    this.position ??= await this.checkpoint.load();
    this.report((await store.head()) - this.position);
    const events = await store.readAll(this.position, batchMax);
    const last = events.at(-1);
    if (!last) return 0;
    await producer.publish(events.map(outgoing));
    await this.checkpoint.save(last.position);
    this.position = last.position;
    this.report((await store.head()) - this.position);
    return events.length;
  }

  private async loop(): Promise<void> {
    const { pollMs = 500, pauseMsMax = 10_000 } = this.options;
    let failures = 0;
    while (!this.stopping) {
      try {
        const published = await this.publishNext();
        failures = 0;
        this.lastError = null;
        if (published < batchMax) await this.pause(pollMs);
      } catch (error) {
        failures += 1;
        this.failed(error);
        // What was published may not be what this process remembers: the next try starts from the checkpoint.
        this.position = undefined;
        await this.pause(Math.min(pauseMsMax, pollMs * 2 ** Math.min(failures - 1, 10)));
      }
    }
  }

  private async leads(): Promise<boolean> {
    if (this.held) return true;
    this.position = undefined;
    this.held = await this.options.lead(() => {
      this.held = undefined;
    });
    return this.held !== undefined;
  }

  private async yieldLead(): Promise<void> {
    const { held } = this;
    this.held = undefined;
    await held?.release();
  }

  private report(unpublished: bigint): void {
    this.unpublished = Number(unpublished);
    this.options.onUnpublished?.(this.unpublished);
  }

  private failed(error: unknown): void {
    const code = isHighwaterError(error) ? error.code : null;
    const message = messageOf(error);
    const again = this.lastError?.message === message;
    this.lastError = { code, message };
    const curable = isHighwaterError(error) && error.retry !== 'never';
    if (!curable && !again) this.options.onFatal?.(error instanceof Error ? error : new Error(message));
  }

  private pause(ms: number): Promise<void> {
    if (this.stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Data travels as it was stored; parsing only refuses what this version does not know. */
function outgoing(stored: StoredEvent): OutgoingEvent {
  const { type, metadata } = parseMigrationEvent(stored);
  return {
    stream: stored.stream,
    version: stored.version,
    type: cloudEventType(type),
    at: stored.at,
    actor: metadata.actor,
    ...(metadata.operationId === undefined ? {} : { operationId: metadata.operationId }),
    ...(metadata.correlationId === undefined ? {} : { correlationId: metadata.correlationId }),
    data: stored.data,
  };
}
