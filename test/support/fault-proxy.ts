import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { framingOf, readdressBroker, type Protocol } from './message-framing.js';

export type Direction = 'toServer' | 'toClient';
/** Takes a standing fault away again; harmless twice. */
export type Lift = () => void;
/** A fault that strikes once. */
export interface Armed {
  readonly met: () => number;
  readonly disarm: Lift;
}
export type Match = string | ((message: Buffer) => boolean);

/**
 * A TCP proxy in front of one PostgreSQL server or Kafka broker that fails as networks fail (toxiproxy's vocabulary). Standing faults hold
 * for the connections there are and for new ones, until lifted. Messages are whole messages of the protocol, unencrypted; a Kafka client
 * stays behind the proxy because the broker's own address is rewritten in its answers.
 */
export interface FaultProxy {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as a Kafka client takes it. */
  readonly broker: string;
  /** The same URL by way of this proxy. */
  url(original: string): string;
  readonly connections: () => number;
  /** Connections that lost something to `timeout`. */
  readonly swallowed: () => number;
  /** Every message so much later, in order. */
  latency(fault: { ms: number; jitterMs?: number; direction?: Direction }): Lift;
  bandwidth(fault: { bytesPerSecond: number; direction?: Direction }): Lift;
  /** Swallows: nothing passes and nobody is told, ends of connections included. Lifting it resets those that lost something. */
  timeout(fault?: { direction?: Direction }): Lift;
  /** Each connection is reset after so many bytes more. */
  limitData(fault: { bytes: number; direction?: Direction }): Lift;
  /** Resets the connections there are; answers how many. */
  resetPeer(): number;
  /** Connections are reset and new ones refused, until `up`. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** Resets the connection that carries the n-th message from now on, right after it passed. */
  cutAfterMessages(n: number, fault?: { direction?: Direction; match?: Match }): Armed;
  /** Passes the next request that matches, waits until the server has answered it whole, and resets the client instead of telling it. */
  loseAnswerTo(match: Match): Armed;
  /** Lifts and disarms everything. */
  clear(): void;
  close(): Promise<void>;
}

interface Standing {
  latency?: { ms: number; jitterMs: number };
  bytesPerSecond?: number;
  swallow?: true;
  limit?: { bytes: number; passed: WeakMap<Lane, number> };
  readonly direction: Direction | undefined;
}

interface OneShot {
  readonly direction: Direction;
  readonly match: Match | undefined;
  readonly then: 'reset' | 'loseAnswer';
  left: number;
  met: number;
}

const queuedBytesMax = 1024 * 1024;
const isMatch = (message: Buffer, match: Match | undefined): boolean =>
  match === undefined || (typeof match === 'string' ? message.includes(match) : match(message));

/** One direction of one connection. What is delayed waits here; its source is not read on while too much does. */
class Lane {
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
    return this.standing().filter(({ direction }) => direction === undefined || direction === this.direction);
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
function resetAfterWriting(...sockets: Socket[]): void {
  for (const socket of sockets)
    if (socket.writableLength === 0) socket.resetAndDestroy();
    else socket.write('', () => socket.resetAndDestroy());
}

export async function openFaultProxy(server: {
  host?: string;
  port: number;
  protocol?: Protocol;
}): Promise<FaultProxy> {
  const host = '127.0.0.1';
  const target = { host: server.host ?? host, port: server.port };
  const protocol = server.protocol ?? 'bytes';
  const links = new Set<{ reset(): void; lanes: readonly Lane[] }>();
  const standing = new Set<Standing>();
  const shots = new Set<OneShot>();
  let listener: Server | undefined;
  let port = 0;

  const accept = (client: Socket): void => {
    const upstream = connect({ ...target, allowHalfOpen: true });
    const framing = framingOf(protocol);
    client.setNoDelay(true);
    upstream.setNoDelay(true);
    let asked = 0; // requests sent that are answered by one ReadyForQuery (or one Kafka response) each
    let answered = protocol === 'postgres' ? -1 : 0; // the start-up's ReadyForQuery answers no request
    let losing: { shot: OneShot; after: number } | undefined;
    const cut = (): void => resetAfterWriting(client, upstream);
    const passed = (message: Buffer, lane: Lane): void => {
      if (lane.direction === 'toServer' && asksForAnswer(protocol, message)) asked += 1;
      for (const shot of shots) {
        if (shot.direction !== lane.direction || !isMatch(message, shot.match) || (shot.left -= 1) > 0) continue;
        shots.delete(shot);
        if (shot.then === 'loseAnswer') losing = { shot, after: asked + (asksForAnswer(protocol, message) ? 0 : 1) };
        else {
          shot.met += 1;
          cut();
        }
      }
    };
    const all = (): readonly Standing[] => [...standing];
    const toServer = new Lane('toServer', client, upstream, all, passed);
    const toClient = new Lane('toClient', upstream, client, all, passed);
    const link = {
      reset: () => [client, upstream].forEach((socket) => socket.resetAndDestroy()),
      lanes: [toServer, toClient],
    };
    links.add(link);
    client.on('data', (chunk) => framing.toServer(chunk).forEach((message) => toServer.put(message)));
    upstream.on('data', (chunk) => {
      for (const message of framing.toClient(chunk)) {
        if (isAnswer(protocol, message)) answered += 1;
        if (!losing) toClient.put(protocol === 'kafka' ? readdressBroker(message, host, target.port, port) : message);
        else if (answered >= losing.after) {
          losing.shot.met += 1;
          cut();
          return;
        }
      }
    });
    for (const [socket, other, lane] of [
      [client, upstream, toServer],
      [upstream, client, toClient],
    ] as const) {
      socket.on('end', () => lane.end());
      socket.on('error', () => lane.fail());
      socket.on('close', () => {
        if (!other.destroyed) return;
        for (const one of link.lanes) one.stop();
        links.delete(link);
      });
    }
  };

  const listen = async (): Promise<void> => {
    const opened = (listener = createServer({ allowHalfOpen: true }, accept));
    await new Promise<void>((resolve, reject) => opened.once('error', reject).listen(port, host, resolve));
    port = (opened.address() as AddressInfo).port;
  };
  const stand = (fault: Standing): Lift => {
    standing.add(fault);
    return () => void standing.delete(fault);
  };
  const arm = (shot: Omit<OneShot, 'met'>): Armed => {
    const armed = { ...shot, met: 0 };
    shots.add(armed);
    return { met: () => armed.met, disarm: () => void shots.delete(armed) };
  };
  const swallowed = () => [...links].filter((link) => link.lanes.some((lane) => lane.swallowed));
  const resetSwallowed = (): void => swallowed().forEach((link) => link.reset());
  const resetPeer = (): number => [...links].map((link) => link.reset()).length;
  const down = async (): Promise<void> => {
    const closing = listener;
    listener = undefined;
    const closed = closing && new Promise((resolve) => closing.close(resolve));
    resetPeer();
    await closed;
  };
  await listen();
  return {
    host,
    port,
    broker: `${host}:${port}`,
    url: (original) => Object.assign(new URL(original), { hostname: host, port: String(port) }).href,
    connections: () => links.size,
    swallowed: () => swallowed().length,
    latency: ({ ms, jitterMs = 0, direction }) => stand({ latency: { ms, jitterMs }, direction }),
    bandwidth: ({ bytesPerSecond, direction }) => stand({ bytesPerSecond, direction }),
    timeout: ({ direction } = {}) => {
      const lift = stand({ swallow: true, direction });
      return () => {
        lift();
        resetSwallowed();
      };
    },
    limitData: ({ bytes, direction }) => stand({ limit: { bytes, passed: new WeakMap() }, direction }),
    resetPeer,
    down,
    up: () => (listener ? Promise.resolve() : listen()),
    cutAfterMessages: (n, { direction = 'toServer', match } = {}) => arm({ direction, match, then: 'reset', left: n }),
    loseAnswerTo: (match) => arm({ direction: 'toServer', match, then: 'loseAnswer', left: 1 }),
    clear() {
      standing.clear();
      shots.clear();
      resetSwallowed();
    },
    close: down,
  };
}

const asksForAnswer = (protocol: Protocol, message: Buffer): boolean =>
  protocol === 'postgres' ? message[0] === 0x51 || message[0] === 0x53 : true; // Query, Sync
const isAnswer = (protocol: Protocol, message: Buffer): boolean =>
  protocol === 'postgres' ? message[0] === 0x5a : true; // ReadyForQuery
