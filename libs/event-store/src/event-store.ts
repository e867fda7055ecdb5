import { HighwaterError } from '@highwater/kernel';
import type { DataSource } from 'typeorm';
import { commandReused, logGap, logUnavailable, versionConflict } from './codes.js';
import type { EventStoreSettings } from './connection.js';
import { dataSource } from './connection.js';
import { isUniqueViolation, logError } from './errors.js';
import { assertLogGapFree, assertStreamGapFree } from './gaps.js';
import { appendToStream } from './sql/append-to-stream.sql.js';
import { readCheckpointText, saveCheckpointText } from './sql/checkpoints.sql.js';
import { readCommandText } from './sql/commands.sql.js';
import { readAllText, readHeadText, readStreamText } from './sql/read-events.sql.js';
import type { AppendResult, CommandKey, EventRow, NewEvent, StoredEvent } from './stored-event.js';
import { storedEvent } from './stored-event.js';

/** How far one reader has come. */
export interface Checkpoint {
  /** 0 before the first save. */
  load(): Promise<bigint>;
  /** Never moves backwards. */
  save(position: bigint): Promise<void>;
}

/** The append-only log of all streams (table `highwater.event`). Every method rejects with a typed error. */
export class EventStore {
  private connecting: Promise<unknown> | undefined;
  private closed = false;

  constructor(private readonly source: DataSource) {}

  /** Connects unless that was done; each method below does it by itself. Rejects while the server is away, and may be asked again. */
  async connect(): Promise<void> {
    if (this.source.isInitialized) return;
    if (this.closed)
      throw new HighwaterError(logUnavailable, 'backoff', 'event log: this process has closed its connections');
    try {
      await (this.connecting ??= this.source.initialize());
    } catch (error) {
      throw logError(error, 'connect');
    } finally {
      this.connecting = undefined;
    }
  }

  /**
   * Appends behind `expectedVersion` (0: the stream must be empty), all or nothing. HW6001 when the stream is elsewhere by now.
   * With a command, the command is stored in the same transaction; a command that was accepted before yields its first result again,
   * and HW6002 when its request was another one.
   */
  async append(
    stream: string,
    expectedVersion: number,
    events: readonly NewEvent[],
    command?: CommandKey,
  ): Promise<AppendResult> {
    const before = command && (await this.accepted(command));
    if (before) return before;
    if (events.length === 0 && !command) return { version: expectedVersion, repeated: false };
    const { text, values } = appendToStream(stream, expectedVersion, events, command);
    await this.connect();
    let rows: { version: string }[];
    try {
      rows = await this.source.query(text, values);
    } catch (error) {
      if (!isUniqueViolation(error)) throw logError(error, `append to stream "${stream}"`, true);
      rows = [];
    }
    const [row] = rows;
    if (row) return { version: Number(row.version), repeated: false };
    const accepted = command && (await this.accepted(command));
    if (accepted) return accepted;
    throw new HighwaterError(
      versionConflict,
      'backoff',
      `append to stream "${stream}" found another version than ${expectedVersion}; read the stream and decide again`,
      { stream, expectedVersion },
    );
  }

  /** What a command gave when it was accepted; undefined when it was not yet. HW6002 when the id was used for another request. */
  async accepted({ commandId, requestHash }: CommandKey): Promise<AppendResult | undefined> {
    const rows = await this.query<{ request_hash: string; result: { version: number } }>(
      'read command',
      readCommandText,
      [commandId],
    );
    const [row] = rows;
    if (!row) return undefined;
    if (row.request_hash === requestHash) return { version: row.result.version, repeated: true };
    throw new HighwaterError(
      commandReused,
      'never',
      `idempotency key "${commandId}" was used before with another request; use a new key for a new request`,
      { commandId },
    );
  }

  /** The events of one stream after `afterVersion`, in order. HW6004 when one is missing. */
  async read(stream: string, afterVersion = 0): Promise<readonly StoredEvent[]> {
    const rows = await this.query<EventRow>(`read stream "${stream}"`, readStreamText, [stream, afterVersion]);
    const events = rows.map(storedEvent);
    assertStreamGapFree(stream, afterVersion, events);
    return events;
  }

  /** At most `limit` events of all streams after a position, in commit order. HW6004 when one is missing. */
  async readAll(afterPosition: bigint, limit: number): Promise<readonly StoredEvent[]> {
    const rows = await this.query<EventRow>('read the log', readAllText, [afterPosition.toString(), limit]);
    const events = rows.map(storedEvent);
    assertLogGapFree(afterPosition, events);
    return events;
  }

  /** Position of the last event. */
  async head(): Promise<bigint> {
    const [row] = await this.query<{ position: string }>('read the head', readHeadText, []);
    if (row) return BigInt(row.position);
    throw new HighwaterError(
      logGap,
      'never',
      'event log has no head row; expected exactly one in highwater.event_head',
      {},
    );
  }

  checkpoint(name: string): Checkpoint {
    return {
      load: async () => {
        const [row] = await this.query<{ position: string }>(`read checkpoint "${name}"`, readCheckpointText, [name]);
        return BigInt(row?.position ?? 0);
      },
      save: async (position) => {
        await this.query(`save checkpoint "${name}"`, saveCheckpointText, [name, position.toString()]);
      },
    };
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.connecting?.catch(() => undefined);
    if (this.source.isInitialized) await this.source.destroy();
  }

  private async query<Row>(doing: string, text: string, values: readonly unknown[]): Promise<readonly Row[]> {
    await this.connect();
    try {
      return await this.source.query<Row[]>(text, [...values]);
    } catch (error) {
      throw logError(error, doing);
    }
  }
}

/** Connects when it is first used. */
export const eventStore = (settings: EventStoreSettings): EventStore => new EventStore(dataSource(settings));

/** Connects once, so that a wrong URL is known at the start. */
export async function openEventStore(settings: EventStoreSettings): Promise<EventStore> {
  const store = eventStore(settings);
  await store.connect();
  return store;
}
