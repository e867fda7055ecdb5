import { setTimeout as delay } from 'node:timers/promises';
import { formatLsn, messageOf, zeroLsn, type Lsn } from '@highwater/kernel';
import type { BrokenStream } from '@highwater/change-stream';
import { ServerSilent } from '@highwater/target-db';
import { RelaySession, type RelaySessionOptions, type SessionEnd } from './relay-session.js';

export interface RelayOptions extends Omit<
  RelaySessionOptions,
  'onStreaming' | 'onProgress' | 'acknowledgedBefore' | 'silencesBefore'
> {
  /** Only a new epoch repairs it; control records StreamBroken. Called once, after the last acknowledgement. */
  readonly onBroken: (broken: BrokenStream) => void;
}

export type RelayState = 'standby' | 'streaming' | 'broken' | 'stopped';

export interface RelayStatus {
  readonly state: RelayState;
  /** The server's last message or keepalive. */
  readonly lastEventAt: Date | null;
  readonly ackedLsn: string;
  readonly receivedLsn: string;
  readonly inFlightBytes: number;
  readonly hintsSent: number;
  /** Why it is not streaming: the slot is another relay's, or what failed last. */
  readonly reason: string | null;
}

const standbyEveryMs = 1_000;
const backoffMsMax = 15_000;
/** A session that streamed for so long was healthy, as one that acknowledged something was: the next failure starts from the shortest pause. */
const healthyAfterMs = 10_000;

/**
 * Slot → Kafka: one relay per migration and epoch, single-active by the slot itself.
 *
 *              ┌── connection lost, Kafka away: pause with jitter; the slot keeps the WAL ──┐
 *              ▼                                                                            │
 *   start ─▶ standby ──slot taken──▶ streaming ─────────────────────────────────────────────┤
 *              ▲   └─ slot busy (55006): ask again every second                             │
 *              └────────────────────────────────────────────────────────────────────────────┘
 *   standby, streaming ──slot gone, lost or moved, publication or topic changed, other server or history──▶ broken (`onBroken`)
 *   any ──stop──▶ stopped (what was read is stored and acknowledged first, bounded)
 *
 * Durable: the slot's confirmed position alone. A crash at any arrow makes the server send again everything after it: hints are
 * duplicated, never lost.
 */
export class Relay {
  private state: RelayState = 'stopped';
  private session: RelaySession | undefined;
  private loop: Promise<void> | undefined;
  private readonly stopped = new AbortController();
  private lastEventAt: Date | null = null;
  private hintsBefore = 0;
  private acked: Lsn = zeroLsn;
  private received: Lsn = zeroLsn;
  private silences = 0;
  private reason: string | null = null;

  constructor(private readonly options: RelayOptions) {}

  /** Resolves when the relay has begun to try for its slot; `status()` says what came of it. */
  start(): Promise<void> {
    if (this.loop) return Promise.resolve();
    this.state = 'standby';
    this.loop = this.live();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.stopped.abort();
    await this.session?.stop();
    await this.loop;
    if (this.state !== 'broken') this.state = 'stopped';
  }

  status(): RelayStatus {
    const { session } = this;
    return {
      state: this.state,
      lastEventAt: this.lastEventAt,
      ackedLsn: formatLsn(session && session.ackedLsn > this.acked ? session.ackedLsn : this.acked),
      receivedLsn: formatLsn(session && session.receivedLsn > this.received ? session.receivedLsn : this.received),
      inFlightBytes: session?.inFlightBytes ?? 0,
      hintsSent: this.hintsBefore + (session?.hintsSent ?? 0),
      reason: this.reason,
    };
  }

  private async live(): Promise<void> {
    const { logger, stream, migrationId } = this.options;
    for (let failures = 0; !this.stopped.signal.aborted;) {
      const ackedBefore = this.acked;
      const { end, streamedMs } = await this.oneSession();
      if (streamedMs > healthyAfterMs || this.acked > ackedBefore) failures = 0;
      if (this.acked > ackedBefore) this.silences = 0;
      else if (end.kind === 'retry' && end.error instanceof ServerSilent) this.silences += 1;
      switch (end.kind) {
        case 'stopped':
          break;
        case 'broken':
          this.state = 'broken';
          this.reason = end.broken.message;
          logger.error({ migrationId, slot: stream.slot, ...end.broken }, 'stream broken');
          this.options.onBroken(end.broken);
          return;
        case 'standby':
          this.state = 'standby';
          this.reason = `slot ${stream.slot} is read by another relay`;
          failures = 0;
          await this.pause(standbyEveryMs);
          break;
        case 'retry': {
          this.state = 'standby';
          this.reason = messageOf(end.error);
          failures += 1;
          const waitMs = Math.min(backoffMsMax, 250 * 2 ** Math.min(failures, 10)) * (0.5 + Math.random() / 2);
          logger.warn(
            { migrationId, slot: stream.slot, reason: this.reason, waitMs: Math.round(waitMs) },
            'relay lost its stream; tries again',
          );
          await this.pause(waitMs);
        }
      }
    }
  }

  private async oneSession(): Promise<{ end: SessionEnd; streamedMs: number }> {
    let streamingSince: number | undefined;
    let session: RelaySession;
    try {
      session = this.newSession(() => (streamingSince = performance.now()));
    } catch (error) {
      return { end: { kind: 'retry', error }, streamedMs: 0 }; // settings that it cannot be made with are said like a broker that is away
    }
    this.session = session;
    const end = await session.run();
    this.session = undefined;
    this.hintsBefore += session.hintsSent;
    if (session.ackedLsn > this.acked) this.acked = session.ackedLsn;
    if (session.receivedLsn > this.received) this.received = session.receivedLsn;
    return { end, streamedMs: streamingSince === undefined ? 0 : performance.now() - streamingSince };
  }

  private newSession(onStreaming: () => void): RelaySession {
    return new RelaySession({
      ...this.options,
      acknowledgedBefore: this.acked,
      silencesBefore: this.silences,
      onStreaming: () => {
        onStreaming();
        this.state = 'streaming';
        this.reason = null;
        this.options.logger.info(
          { migrationId: this.options.migrationId, slot: this.options.stream.slot },
          'relay streams',
        );
      },
      onProgress: () => {
        this.lastEventAt = new Date();
      },
    });
  }

  private pause(ms: number): Promise<void> {
    return delay(ms, undefined, { signal: this.stopped.signal }).catch(() => undefined);
  }
}
