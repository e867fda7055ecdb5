import { LogicalReplicationService } from 'pg-logical-replication';
import { formatLsn, parseLsn, parseDurationMs, xid8, zeroLsn, type Lsn, type Xid8 } from '@highwater/kernel';
import { connectionConfig } from '../session/database.js';
import { sessionSettings, type DatabaseSettings } from '../session/settings.js';
import { TextPgoutput, type ReplicationMessage, type SimpleQuery } from './messages.js';
import { statusMessage } from './status-message.js';

/** The server we are connected to; read on the replication connection itself, before streaming. */
export interface ReplicationServer {
  readonly systemIdentifier: string;
  readonly timeline: number;
  /** Where its WAL ends. */
  readonly walEnd: Lsn;
  /** A recent xid of this server, the reference that widens the protocol's 32-bit xids. */
  readonly xidReference: Xid8;
}

export interface SlotReaderHandlers {
  /** Before streaming; throw to refuse this server. */
  onServer(server: ReplicationServer): void;
  /** Streaming has begun: the slot is ours. */
  onStreaming(): void;
  onMessage(message: ReplicationMessage): void;
  /** The server has sent everything below `walEnd`. */
  onKeepalive(walEnd: Lsn): void;
  /** The position to report now: the last one that may be acknowledged, never one that was only received. */
  acknowledged(): Lsn;
  /**
   * Where to begin: the end of a commit up to which everything is stored and recorded. The server begins there, or at the slot's confirmed position where that
   * is further; the slot itself moves only with a report. Zero: at the confirmed position.
   */
  readonly storedBefore?: Lsn;
}

/** Never silent for longer, whatever the server's patience is. */
const statusIntervalMsMax = 10_000;

/**
 * What we ask of a server that would be more patient with us: a relay that is gone without a word keeps the slot for so long, and no other can
 * have it. We say that we are there every third of it.
 */
const serverPatienceMsMax = 20_000;

/** From connecting to streaming takes a few short answers; nothing is decoded before. */
const connectMsMax = 30_000;

/** A server that answers nothing for so long is gone: each of our status messages asks it for a reply. */
const silenceMsMin = 30_000;
/** However often it was silent before. */
const silenceMsLimit = 600_000;

/** The server answered nothing for longer than this session would wait. */
export class ServerSilent extends Error {}

/** Settings that decide how key values are written as text; a role's own defaults must not. */
const textSettings = [
  'search_path',
  'DateStyle',
  'IntervalStyle',
  'TimeZone',
  'extra_float_digits',
  'bytea_output',
] as const;

/**
 * One life of one replication connection: made, run once, thrown away (re-subscribing the same object would start at the received
 * position instead of the acknowledged one).
 *
 *   run ──connect, settings, IDENTIFY_SYSTEM──▶ START_REPLICATION from `storedBefore` or the slot's confirmed position ──▶ streaming
 *   any arrow ──error or close()──▶ ended: `run` settles, the socket is gone, no timer is left
 *
 * Durable: nothing. A crash of the process anywhere makes the server send again everything after the last status message.
 */
export class SlotReader extends LogicalReplicationService {
  private timer: ReturnType<typeof setInterval> | undefined;
  private failure: Error | undefined;
  private ended = false;
  private streaming = false;
  private intervalMs = statusIntervalMsMax;
  private silenceMsMax = silenceMsMin;
  private heardAt = 0;
  private paused = false;
  private closed: () => void = () => undefined;
  private readonly untilClosed = new Promise<void>((resolve) => (this.closed = resolve));

  constructor(
    settings: DatabaseSettings,
    private readonly slot: string,
    private readonly publication: string,
    private readonly handlers: SlotReaderHandlers,
    /**
     * Sessions in a row that ended with `ServerSilent` and acknowledged nothing: each doubles the patience. PostgreSQL 15 says nothing while it decodes
     * what the publication does not have (a rewritten table of a hundred million rows), and would begin that anew with every session.
     */
    private readonly silencesBefore = 0,
    private readonly connectMs = connectMsMax,
  ) {
    // timeoutSeconds 0: with any other value the library acknowledges what it received, even with auto off
    super(
      { ...connectionConfig(settings, 'stream'), connectionTimeoutMillis: 10_000, keepAliveInitialDelayMillis: 10_000 },
      { acknowledge: { auto: false, timeoutSeconds: 0 } },
    );
  }

  /** Streams until `close` (resolves) or an error (rejects with the driver's own error: callers decide on its SQLSTATE). */
  async run(): Promise<void> {
    if (this.ended) return;
    this.on('error', (error) => this.fail(error));
    this.on('data', (_lsn, message) => this.guarded(() => this.deliver(message as ReplicationMessage)));
    this.on('heartbeat', (lsn, _at, replyRequested) =>
      this.guarded(() => {
        this.heardAt = performance.now();
        this.handlers.onKeepalive(parseLsn(lsn));
        if (replyRequested) this.report();
      }),
    );
    this.on('start', () =>
      this.guarded(() => {
        if (this.ended) return void this.close(); // closed while the connection was being made
        clearTimeout(connecting);
        this.streaming = true;
        this.handlers.onStreaming();
        this.heardAt = performance.now();
        this.timer = setInterval(() => this.guarded(() => this.tick()), this.intervalMs);
        this.report();
      }),
    );
    const plugin = new TextPgoutput(this.publication, (query) => this.prepare(query));
    // no status message of ours asks for an answer yet, and TCP would wait for a quarter of an hour
    const connecting = setTimeout(
      () => this.fail(new Error('connection terminated: the server was silent before it streamed')),
      this.connectMs,
    );
    const subscribed = this.subscribe(plugin, this.slot, formatLsn(this.handlers.storedBefore ?? zeroLsn));
    try {
      // the driver never answers a `connect` whose client was ended before it came to anything (pg 8.23): whoever waited for that alone would wait for good
      await Promise.race([subscribed, this.untilClosed]);
    } catch (error) {
      throw this.failure ?? error;
    } finally {
      clearTimeout(connecting);
      await this.close();
      // closed before its client was there: what comes of it is closed too, and nobody asks any more
      void subscribed.catch(() => undefined).finally(() => this.close());
    }
    if (this.failure) throw this.failure;
  }

  /** Tells the server our acknowledged position now. */
  report(replyWanted = false): void {
    if (!this.streaming || this.ended) return;
    this.internals()._connection?.sendCopyFromChunk(
      statusMessage(this.handlers.acknowledged(), Date.now(), replyWanted),
    );
  }

  /** Backpressure: stop and go on reading the socket. The server waits; our status messages keep the connection alive. */
  pause(): void {
    this.paused = true;
    this.internals()._connection?.stream.pause();
  }
  resume(): void {
    this.paused = false;
    this.heardAt = performance.now();
    this.internals()._connection?.stream.resume();
  }

  /** Ends the connection, also one that is still being made; harmless when it has ended. */
  async close(): Promise<void> {
    this.ended = true;
    if (this.timer) clearInterval(this.timer);
    const { _connection: connection, _client: client } = this.internals();
    client?.on('error', () => undefined); // the library takes its listener off; an unheard error would end the process
    // a graceful end would wait behind what the server still has to send; one that is being connected, for its first answer
    (connection ?? client?.connection)?.stream.destroy();
    await this.stop().catch(() => undefined);
    client?.on('error', () => undefined);
    this.closed();
  }

  /** The library's timer path calls this with a received position; the only status messages are ours. */
  override acknowledge(): Promise<boolean> {
    return Promise.resolve(false);
  }

  private async prepare(query: SimpleQuery): Promise<void> {
    await query(textSettings.map((name) => `set ${name} = ${textSetting(name)}`).join('; '));
    const system = (await query('IDENTIFY_SYSTEM'))[0];
    const facts = (
      await query(
        `select pg_snapshot_xmax(pg_current_snapshot())::text as xid, current_setting('wal_sender_timeout') as patience`,
      )
    )[0];
    if (this.ended) throw new Error('connection terminated: closed before streaming');
    if (!system || !facts) throw new Error('the server did not answer IDENTIFY_SYSTEM');
    const ownMs = parseDurationMs((facts['patience'] ?? '0').replace(/min$/, 'm')) ?? 0; // 0: never times out
    const patienceMs = ownMs > 0 ? Math.min(ownMs, serverPatienceMsMax) : serverPatienceMsMax;
    if (patienceMs !== ownMs) await query(`set wal_sender_timeout = ${patienceMs}`);
    this.intervalMs = Math.min(statusIntervalMsMax, Math.max(100, patienceMs / 3));
    // a server that decodes without output looks at our messages only after half its own patience
    const silenceMs = Math.max(silenceMsMin, 1.5 * patienceMs) * 2 ** this.silencesBefore;
    this.silenceMsMax = Math.min(silenceMsLimit, silenceMs);
    this.handlers.onServer({
      systemIdentifier: String(system['systemid']),
      timeline: Number(system['timeline']),
      walEnd: parseLsn(String(system['xlogpos'])),
      xidReference: xid8(BigInt(String(facts['xid']))),
    });
  }

  /** Our own clock: a server that is being paused by us or is decoding still hears us, and one that fell silent is given up. */
  private tick(): void {
    const silentMs = performance.now() - this.heardAt;
    if (!this.paused && silentMs > this.silenceMsMax)
      throw new ServerSilent(`connection terminated: the server was silent for ${Math.round(silentMs / 1_000)} s`);
    this.report(true);
  }

  private deliver(message: ReplicationMessage): void {
    if (this.ended) return; // bytes of a chunk that was being read when we gave up
    this.heardAt = performance.now();
    if (message.kind === 'unreadable') throw message.error;
    this.handlers.onMessage(message);
  }

  /** A listener that throws would become an uncaught exception of the process. */
  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private fail(error: Error): void {
    this.failure ??= error;
    void this.close();
  }

  /** The library keeps its connection private and offers neither an exact status message nor backpressure. Version pinned: 2.5.0. */
  private internals(): LibraryInternals {
    return this as unknown as LibraryInternals;
  }
}

interface Connection {
  readonly stream: { pause(): void; resume(): void; destroy(): void };
  sendCopyFromChunk(chunk: Buffer): void;
}
interface LibraryInternals {
  /** Once it is connected. */
  readonly _connection: Connection | null;
  readonly _client: { readonly connection: Connection; on(event: 'error', listener: () => void): void } | null;
}

/** `search_path` takes a list, the others one quoted text. */
const textSetting = (name: (typeof textSettings)[number]): string => {
  const value = sessionSettings[name] ?? '';
  return name === 'search_path' ? value : `'${value}'`;
};
