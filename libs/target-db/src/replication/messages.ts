import { PgoutputPlugin } from 'pg-logical-replication';
import { messageOf, parseLsn, zeroLsn, type Lsn } from '@highwater/kernel';

/** What the relay reads: pgoutput, protocol version 1, inserts and logical messages; every value is the server's own text. */
export type ReplicationMessage =
  | { readonly kind: 'begin'; readonly xid: number; readonly commitLsn: Lsn }
  | {
      readonly kind: 'insert';
      readonly relid: number;
      readonly schema: string;
      readonly table: string;
      /** Column name → text, null when NULL. */
      readonly values: Readonly<Record<string, string | null>>;
    }
  | {
      readonly kind: 'message';
      readonly transactional: boolean;
      readonly lsn: Lsn;
      readonly prefix: string;
      readonly content: Buffer;
    }
  | { readonly kind: 'commit'; readonly endLsn: Lsn }
  /** Relations, types, origins, truncates: nothing to do. */
  | { readonly kind: 'other'; readonly tag: string }
  /** The bytes could not be read: the stream must not go on as if nothing had been there. */
  | { readonly kind: 'unreadable'; readonly error: Error };

const asText = (raw: unknown): unknown => raw;
const position = (text: string | null): Lsn => (text === null ? zeroLsn : parseLsn(text));

/**
 * pg-logical-replication's plugin with its defects closed: values stay text (its type parsers lose microseconds and big integers),
 * xid and oids are unsigned, contents of messages are copied out of the reused buffer, and nothing is thrown into a socket listener.
 */
export class TextPgoutput extends PgoutputPlugin {
  /** Runs on the connection before it starts to stream. */
  constructor(
    publication: string,
    private readonly prepare: (query: SimpleQuery) => Promise<void>,
  ) {
    super({ protoVersion: 1, publicationNames: [publication], messages: true });
  }

  override parse(buffer: Buffer): never {
    // the base class declares its own message union; consumers of ours get ReplicationMessage (see SlotReader)
    return this.read(buffer) as never;
  }

  private read(buffer: Buffer): ReplicationMessage {
    try {
      const found = super.parse(buffer);
      switch (found.tag) {
        case 'begin':
          return { kind: 'begin', xid: found.xid >>> 0, commitLsn: position(found.commitLsn) };
        case 'insert':
          return {
            kind: 'insert',
            relid: found.relation.relationOid >>> 0,
            schema: found.relation.schema,
            table: found.relation.name,
            values: found.new as Record<string, string | null>,
          };
        case 'commit':
          return { kind: 'commit', endLsn: position(found.commitEndLsn) };
        case 'message':
          return {
            kind: 'message',
            transactional: found.transactional,
            lsn: position(found.messageLsn),
            prefix: found.prefix,
            content: Buffer.from(found.content),
          };
        case 'relation':
          for (const column of found.columns) column.parser = asText;
          return { kind: 'other', tag: found.tag };
        default:
          return { kind: 'other', tag: found.tag };
      }
    } catch (error) {
      return { kind: 'unreadable', error: error instanceof Error ? error : new Error(messageOf(error)) };
    }
  }

  override async start(client: SimpleClient, slot: string, from: string): Promise<unknown> {
    await this.prepare(async (text) => {
      const result = await client.query(text);
      const last = Array.isArray(result) ? result.at(-1) : result;
      return (last?.rows ?? []) as Record<string, string>[];
    });
    return super.start(client as never, slot, from);
  }
}

/** Simple protocol only: a replication connection knows no other. Rows of the last statement. */
export type SimpleQuery = (text: string) => Promise<Record<string, string>[]>;

interface SimpleClient {
  query(text: string): Promise<{ rows: unknown[] } | { rows: unknown[] }[]>;
}
