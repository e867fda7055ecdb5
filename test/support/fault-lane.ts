import type { Socket } from 'node:net';

export type Direction = 'toServer' | 'toClient';

/** A fault that holds until it is lifted. */
export interface Standing {
  latency?: { ms: number; jitterMs: number };
  bytesPerSecond?: number;
  swallow?: true;
  limit?: { bytes: number; passed: WeakMap<Lane, number> };
  /** Undefined: of all connections, later ones too. */
  readonly lanes?: ReadonlySet<Lane>;
  readonly direction: Direction | undefined;
}

const queuedBytesMax = 1024 * 1024;
/** One direction of one connection. What is delayed waits here; its source is not read on while too much does. */
export class Lane {
  private queue: { message: Buffer; dueAt: number }[] = [];
  private queuedBytes = 0;
  private lastDueAt = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ending = false;
  swallowed = false;

  constructor(
    readonly direction: Direction,
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly standing: () => readonly Standing[],
    private readonly passed: (message: Buffer, lane: Lane) => void,
  ) {
    to.on('drain', () => this.readOn());
  }

  put(message: Buffer): void {
    const faults = this.faults();
    if (faults.some((fault) => fault.swallow)) return void (this.swallowed = true);
    const now = performance.now();
    const wait = faults.reduce(
      (sum, { latency }) => sum + (latency ? latency.ms + Math.random() * latency.jitterMs : 0),
      0,
    );
    const slowest = Math.min(...faults.map((fault) => fault.bytesPerSecond ?? Infinity));
    this.lastDueAt = Math.max(now + wait, this.lastDueAt) + (message.length / slowest) * 1_000;
    if (this.queue.length === 0 && this.lastDueAt <= now) return this.pass(message);
    this.queue.push({ message, dueAt: this.lastDueAt });
    this.queuedBytes += message.length;
    if (this.queuedBytes > queuedBytesMax) this.from.pause();
    this.schedule();
  }

  /** Its source has ended: the other side hears of it after everything that waits. */
  end(): void {
    if (this.faults().some((fault) => fault.swallow)) return void (this.swallowed = true);
    this.ending = true;
    if (this.queue.length === 0) this.to.end();
  }

  /** Its source has died. */
  fail(): void {
    if (this.faults().some((fault) => fault.swallow)) this.swallowed = true;
    else this.to.resetAndDestroy();
  }

  stop(): void {
    clearTimeout(this.timer);
    this.queue = [];
  }

  private faults(): readonly Standing[] {
    return this.standing().filter(
      ({ direction, lanes }) => (direction ?? this.direction) === this.direction && (lanes?.has(this) ?? true),
    );
  }

  private schedule(): void {
    const [next] = this.queue;
    if (!next || this.timer) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        for (let now = performance.now(); (this.queue[0]?.dueAt ?? Infinity) <= now + 1;) {
          const { message } = this.queue.shift() ?? { message: Buffer.alloc(0) };
          this.queuedBytes -= message.length;
          this.pass(message);
        }
        this.readOn();
        if (this.ending && this.queue.length === 0) this.to.end();
        this.schedule();
      },
      Math.max(0, next.dueAt - performance.now()),
    );
  }

  private pass(message: Buffer): void {
    if (!this.to.write(message)) this.from.pause();
    this.passed(message, this);
    for (const { limit } of this.faults()) {
      if (!limit) continue;
      const sum = (limit.passed.get(this) ?? 0) + message.length;
      limit.passed.set(this, sum);
      if (sum >= limit.bytes) resetAfterWriting(this.from, this.to);
    }
  }

  private readOn(): void {
    if (this.queuedBytes <= queuedBytesMax && !this.to.writableNeedDrain) this.from.resume();
  }
}

/** What has been written leaves first, or the message that was let through would not arrive. */
export function resetAfterWriting(...sockets: Socket[]): void {
  for (const socket of sockets)
    if (socket.writableLength === 0) socket.resetAndDestroy();
    else socket.write('', () => socket.resetAndDestroy());
}
