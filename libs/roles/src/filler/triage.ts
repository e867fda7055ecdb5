import { decodeHint, isPoison, type PartitionProgress } from '@highwater/change-stream';
import type { FillTarget } from '@highwater/target-db';

/** A row hint on its way: settled when every target of its table has a final verdict. */
export interface HintItem {
  readonly progress: PartitionProgress;
  readonly offset: bigint;
  readonly key: readonly string[];
  readonly xid: string;
  readonly arrivedAtMs: number;
  /** Targets without a final verdict. */
  open: readonly FillTarget[];
  /** Looks that ended `contended`. */
  contended: number;
  /** Looks that ended `parked`. */
  parked: number;
  /** Nobody holds its transaction: judged whatever it is. */
  forced: boolean;
  /** Monotonic ms of the next look. */
  dueAtMs: number;
}

/** What one Kafka record is to this filler. Hints are untrusted: everything that is not exactly ours is a dead letter. */
export type Triaged =
  | {
      readonly kind: 'row';
      readonly key: readonly string[];
      readonly xid: string;
      readonly targets: readonly FillTarget[];
    }
  | { readonly kind: 'fence'; readonly token: string }
  | { readonly kind: 'deadLetter'; readonly reason: string };

/** What is expected: this migration, this epoch, these tables. */
export interface Expected {
  readonly migrationId: string;
  readonly epoch: number;
  readonly partition: number;
  readonly partitions: number;
  /** Targets by `tableId`. */
  readonly tables: ReadonlyMap<string, readonly FillTarget[]>;
}

export const tableId = (schema: string, name: string): string => JSON.stringify([schema, name]);

export function targetsByTable(targets: readonly FillTarget[]): Map<string, FillTarget[]> {
  const tables = new Map<string, FillTarget[]>();
  for (const target of targets) {
    const id = tableId(target.derivation.table.schema, target.derivation.table.name);
    tables.set(id, [...(tables.get(id) ?? []), target]);
  }
  return tables;
}

export function triage(value: Uint8Array | null, expected: Expected): Triaged {
  const hint = decodeHint(value);
  if (isPoison(hint)) return { kind: 'deadLetter', reason: hint.poison };
  if (hint.migration !== expected.migrationId) return { kind: 'deadLetter', reason: 'OtherMigration' };
  if (hint.epoch !== expected.epoch) return { kind: 'deadLetter', reason: 'OtherEpoch' };
  if (hint.kind === 'fence') {
    const void_ = hint.partition !== expected.partition || hint.partitions !== expected.partitions;
    return void_ ? { kind: 'deadLetter', reason: 'VoidFence' } : { kind: 'fence', token: hint.token };
  }
  const targets = hint.kind === 'row' ? expected.tables.get(tableId(...hint.table)) : undefined;
  if (!targets) return { kind: 'deadLetter', reason: 'UnknownTable' };
  return { kind: 'row', key: hint.key, xid: hint.xid, targets };
}
