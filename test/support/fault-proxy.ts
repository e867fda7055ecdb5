import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Lane, resetAfterWriting, type Direction, type Standing } from './fault-lane.js';
import { framingOf, readdressBroker, type Protocol } from './message-framing.js';

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
  /** Connections made from now on lead to another server, as after a failover. */
  pointTo(port: number): void;
  /** Every message so much later, in order. */
  latency(fault: { ms: number; jitterMs?: number; direction?: Direction }): Lift;
  bandwidth(fault: { bytesPerSecond: number; direction?: Direction }): Lift;
  /**
   * Swallows: nothing passes and nobody is told, ends of connections included. With `newOnesPass` only the connections there are now, as
   * when a firewall forgets them. Lifting it resets those that lost something.
   */
  timeout(fault?: { direction?: Direction; newOnesPass?: boolean }): Lift;
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

interface OneShot {
  readonly direction: Direction;
  readonly match: Match | undefined;
  readonly then: 'reset' | 'loseAnswer';
  left: number;
  met: number;
}

const isMatch = (message: Buffer, match: Match | undefined): boolean =>
  match === undefined || (typeof match === 'string' ? message.includes(match) : match(message));

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
    pointTo: (to) => void (target.port = to),
    latency: ({ ms, jitterMs = 0, direction }) => stand({ latency: { ms, jitterMs }, direction }),
    bandwidth: ({ bytesPerSecond, direction }) => stand({ bytesPerSecond, direction }),
    timeout: ({ direction, newOnesPass = false } = {}) => {
      const lanes = newOnesPass ? { lanes: new Set([...links].flatMap((link) => link.lanes)) } : {};
      const lift = stand({ swallow: true, direction, ...lanes });
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
