import { formatLsn, widenXid, type Lsn, type Xid8 } from '@highwater/kernel';
import {
  encodeHint,
  hintBytesMax,
  hintEnd,
  hintWriter,
  partitionsOfTable,
  type HintEnd,
  type StreamInfo,
} from '@highwater/change-stream';
import { type CatalogTable, hasKey, type KeyColumn } from '@highwater/derivation';
import type { OutgoingRecord } from '@highwater/messaging';
import type { FillTarget } from '@highwater/target-db';
import type { HintSource } from '../control/published-tables.js';

/** One kind of hint that the rows of a table give: each with the key columns of what it is for. */
interface PublishedKey {
  readonly columns: readonly string[];
  readonly write: (key: readonly string[], end: HintEnd) => string;
  readonly partitionOf: (key: readonly string[]) => number;
}
type Kind = 'row' | 'entity';

/** What a row came to: records, nothing to say, or proof that the publication is not the one we made. */
export type MadeHints =
  | { readonly kind: 'records'; readonly records: readonly OutgoingRecord[] }
  | { readonly kind: 'none'; readonly why: 'OtherTable' | 'TooLarge' }
  | { readonly kind: 'missingColumn'; readonly column: string };

/**
 * Turns decoded changes into hints: several targets on one table share its `row` hint, several entities made from one table its `entity` hint.
 * Knows the current transaction's xid and commit position. A million rows may come in one transaction: what is the same in all of their
 * hints is made once.
 */
export class HintMaker {
  private readonly tables: ReadonlyMap<number, readonly PublishedKey[]>;
  private end: HintEnd = hintEnd({ xid: '0', lsn: '0/0' });

  constructor(
    private readonly migration: string,
    private readonly stream: StreamInfo,
    targets: readonly FillTarget[],
    sources: readonly HintSource[],
    /** A recent xid of the same server; moves along, so that it never is 2^31 away. */
    private xidReference: Xid8,
  ) {
    const tables = new Map<number, Map<Kind, PublishedKey>>();
    const publish = (kind: Kind, { relid, schema, name }: CatalogTable, key: readonly KeyColumn[]): void => {
      const kinds = tables.get(relid) ?? new Map<Kind, PublishedKey>();
      tables.set(relid, kinds);
      const table = [schema, name] as const;
      kinds.set(kind, {
        columns: key.map((column) => column.name),
        write: hintWriter({ kind, migration, epoch: stream.epoch, table }),
        partitionOf: partitionsOfTable(table, stream.partitions),
      });
    };
    // the entity first: a row may need the one that is made from it
    for (const { source, sourceKey } of sources) publish('entity', source, sourceKey);
    for (const { derivation } of targets) if (hasKey(derivation)) publish('row', derivation.table, derivation.key);
    this.tables = new Map([...tables].map(([relid, kinds]) => [relid, [...kinds.values()]]));
  }

  begin(xid32: number, commitLsn: Lsn): void {
    this.xidReference = widenXid(xid32, this.xidReference);
    this.end = hintEnd({ xid: String(this.xidReference), lsn: formatLsn(commitLsn) });
  }

  row(relid: number, values: Readonly<Record<string, string | null>>): MadeHints {
    const published = this.tables.get(relid);
    if (!published) return { kind: 'none', why: 'OtherTable' };
    const records: OutgoingRecord[] = [];
    for (const { columns, write, partitionOf } of published) {
      const key: string[] = [];
      for (const column of columns) {
        const text = values[column];
        if (typeof text !== 'string') return { kind: 'missingColumn', column };
        key.push(text);
      }
      const value = write(key, this.end);
      if (value.length > hintBytesMax / 4) continue; // at most 4 bytes a character
      records.push({ partition: partitionOf(key), value });
    }
    return records.length === 0 ? { kind: 'none', why: 'TooLarge' } : { kind: 'records', records };
  }

  /** One record for every partition; empty when the message is not a fence of this migration. */
  fence(content: Buffer, lsn: Lsn): OutgoingRecord[] {
    const token = tokenOf(content, this.migration);
    if (token === undefined) return [];
    const { epoch, partitions } = this.stream;
    return Array.from({ length: partitions }, (_, partition) => ({
      partition,
      value: encodeHint({
        v: 1,
        kind: 'fence',
        migration: this.migration,
        epoch,
        token,
        partition,
        partitions,
        lsn: formatLsn(lsn),
      }),
    }));
  }
}

/** Anyone may emit a message with our prefix: a token we did not record is refused later by the foreign key of its arrival. */
function tokenOf(content: Buffer, migration: string): string | undefined {
  if (content.length > 4_096) return undefined;
  try {
    const found: unknown = JSON.parse(content.toString('utf8'));
    if (typeof found !== 'object' || found === null) return undefined;
    const { token, migration: of } = found as Record<string, unknown>;
    return of === migration && typeof token === 'string' && token.length > 0 && token.length <= 256 ? token : undefined;
  } catch {
    return undefined;
  }
}
