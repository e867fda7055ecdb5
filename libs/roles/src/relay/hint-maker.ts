import { formatLsn, widenXid, type Lsn, type Xid8 } from '@highwater/kernel';
import { encodeHint, hintBytesMax, partitionOf, type StreamInfo } from '@highwater/change-stream';
import type { OutgoingRecord } from '@highwater/messaging';
import type { FillTarget } from '@highwater/target-db';

/** Several targets on one table share its hints: the filler fills every target of the table that a hint names. */
interface PublishedKey {
  readonly table: readonly [string, string];
  readonly key: readonly string[];
}

/** What a row came to: a record, nothing to say, or proof that the publication is not the one we made. */
export type MadeHint =
  | { readonly kind: 'record'; readonly record: OutgoingRecord }
  | { readonly kind: 'none'; readonly why: 'OtherTable' | 'TooLarge' }
  | { readonly kind: 'missingColumn'; readonly column: string };

/** Turns decoded changes into hints. Knows the current transaction's xid and commit position. */
export class HintMaker {
  private readonly tables: ReadonlyMap<number, PublishedKey>;
  private xid = '0';
  private commitLsn = '0/0';

  constructor(
    private readonly migration: string,
    private readonly stream: StreamInfo,
    targets: readonly FillTarget[],
    /** A recent xid of the same server; moves along, so that it never is 2^31 away. */
    private xidReference: Xid8,
  ) {
    this.tables = new Map(
      targets.map(({ derivation: { table, key } }) => [
        table.relid,
        { table: [table.schema, table.name] as const, key: key.map((column) => column.name) },
      ]),
    );
  }

  begin(xid32: number, commitLsn: Lsn): void {
    this.xidReference = widenXid(xid32, this.xidReference);
    this.xid = String(this.xidReference);
    this.commitLsn = formatLsn(commitLsn);
  }

  row(relid: number, values: Readonly<Record<string, string | null>>): MadeHint {
    const published = this.tables.get(relid);
    if (!published) return { kind: 'none', why: 'OtherTable' };
    const key: string[] = [];
    for (const column of published.key) {
      const text = values[column];
      if (typeof text !== 'string') return { kind: 'missingColumn', column };
      key.push(text);
    }
    const value = encodeHint({
      v: 1,
      kind: 'row',
      migration: this.migration,
      epoch: this.stream.epoch,
      table: published.table,
      key,
      xid: this.xid,
      lsn: this.commitLsn,
    });
    if (value.length > hintBytesMax / 4) return { kind: 'none', why: 'TooLarge' }; // at most 4 bytes a character
    return { kind: 'record', record: { partition: partitionOf(published.table, key, this.stream.partitions), value } };
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
