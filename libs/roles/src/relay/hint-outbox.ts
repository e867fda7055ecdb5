import type { OpenWork } from '@highwater/change-stream';
import type { OutgoingRecord } from '@highwater/messaging';

interface Waiting {
  readonly records: readonly OutgoingRecord[];
  readonly bytes: number;
  readonly work: OpenWork;
  /** Must be stored after everything before it: a batch that is retried could otherwise be stored behind it. */
  readonly fence: boolean;
}

export interface OutboxLimits {
  /** A batch that is not full leaves no sooner than this after the one before. */
  readonly paceMs: number;
  readonly batchRecordsMax: number;
  readonly batchBytesMax: number;
  readonly requestsMax: number;
}

/**
 * kafkajs copies a batch quadratically per partition, so not above 1,000 records; four requests hide the round trip. A request costs
 * broker and relay a millisecond of CPU whether it holds one hint or a hundred: at 500 single-row commits a second, one request each
 * kept a core busy and made the application's inserts wait for the CPU; see docs/decisions/0005-live-path.md.
 */
export const outboxLimits: OutboxLimits = {
  paceMs: 5,
  batchRecordsMax: 1_000,
  batchBytesMax: 512 * 1024,
  requestsMax: 4,
};

/**
 * Gathers hints across transactions into batches. The first hint after a quiet moment leaves at the end of the current turn; under
 * load a batch leaves when it is full or every `paceMs`. In memory only; whoever fills it bounds it by `bytes`.
 */
export class HintOutbox {
  private waiting: Waiting[] = [];
  private waitingRecords = 0;
  private waitingBytes = 0;
  private inFlight = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private soon = false;
  /** Monotonic ms of the last batch that left. */
  private leftAt = -Infinity;
  private closed = false;
  /** Records acknowledged by Kafka. */
  sent = 0;
  /** Waiting or in flight. */
  bytes = 0;

  constructor(
    private readonly send: (records: readonly OutgoingRecord[]) => Promise<void>,
    private readonly onSettled: () => void,
    private readonly onFailure: (error: unknown) => void,
    private readonly limits: OutboxLimits = outboxLimits,
  ) {}

  /** One hint of `work`; `work.outstanding` falls again when Kafka has it. */
  add(record: OutgoingRecord, work: OpenWork): void {
    this.put([record], work, false);
  }

  /** One record for every partition, stored after all that was added before. */
  addFence(records: readonly OutgoingRecord[], work: OpenWork): void {
    this.put(records, work, true);
  }

  get idle(): boolean {
    return this.waiting.length === 0 && this.inFlight === 0;
  }

  /** Nothing more is sent; what is in flight is not awaited. */
  close(): void {
    this.closed = true;
    if (this.timer) clearTimeout(this.timer);
    this.waiting = [];
  }

  private put(records: readonly OutgoingRecord[], work: OpenWork, fence: boolean): void {
    const bytes = records.reduce((sum, record) => sum + record.value.length, 0);
    work.outstanding += 1;
    this.waiting.push({ records, bytes, work, fence });
    this.waitingRecords += records.length;
    this.waitingBytes += bytes;
    this.bytes += bytes;
    this.schedule();
  }

  private get full(): boolean {
    return this.waitingRecords >= this.limits.batchRecordsMax || this.waitingBytes >= this.limits.batchBytesMax;
  }

  private schedule(): void {
    if (this.closed || this.waiting.length === 0 || this.soon || this.inFlight >= this.limits.requestsMax) return;
    const waitMs = this.full ? 0 : Math.ceil(this.leftAt + this.limits.paceMs - performance.now());
    if (waitMs <= 0) {
      this.soon = true;
      setImmediate(() => {
        this.soon = false;
        this.pump();
      });
    } else {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.pump();
      }, waitMs);
    }
  }

  /** One batch, and more while they are full; the answers call again. */
  private pump(): void {
    let left = false;
    while (!this.closed && this.waiting.length > 0 && this.inFlight < this.limits.requestsMax && (!left || this.full)) {
      if (this.waiting[0]?.fence && this.inFlight > 0) return; // the answers of what is in flight call us again
      this.dispatch(this.takeBatch());
      left = true;
    }
    this.schedule();
  }

  private takeBatch(): Waiting[] {
    let records = 0;
    let bytes = 0;
    let count = 0;
    for (const item of this.waiting) {
      if (count > 0 && (item.fence || this.waiting[0]?.fence)) break; // a fence travels alone
      records += item.records.length;
      bytes += item.bytes;
      count += 1;
      if (records >= this.limits.batchRecordsMax || bytes >= this.limits.batchBytesMax) break;
    }
    this.waitingRecords -= records;
    this.waitingBytes -= bytes;
    return this.waiting.splice(0, count);
  }

  private dispatch(batch: readonly Waiting[]): void {
    this.inFlight += 1;
    this.leftAt = performance.now();
    this.send(batch.flatMap((item) => item.records))
      .then(() => {
        for (const item of batch) {
          item.work.outstanding -= 1;
          this.sent += item.records.length;
          this.bytes -= item.bytes;
        }
        this.inFlight -= 1;
        if (this.closed) return;
        this.onSettled();
        this.schedule();
      })
      .catch((error: unknown) => {
        this.inFlight -= 1;
        if (!this.closed) this.onFailure(error);
      });
  }
}
