import { decodeHint, isPoison, type PartitionProgress } from '@highwater/change-stream';
import type { EntityTarget, FillTarget } from '@highwater/target-db';

/** A hint on its way: settled when every target of its table, or every entity made from it, has a final verdict. */
export interface HintItem {
  readonly progress: PartitionProgress;
  readonly offset: bigint;
  readonly key: readonly string[];
  readonly xid: string;
  readonly arrivedAtMs: number;
  /** Of a `row` hint: targets without a final verdict. */
  open: readonly FillTarget[];
  /** Of an `entity` hint: entities without one. */
  openEntities: readonly EntityTarget[];
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
      readonly kind: 'look';
      readonly key: readonly string[];
      readonly xid: string;
      readonly targets: readonly FillTarget[];
      readonly entities: readonly EntityTarget[];
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
  /** The entities that we make, by `tableId` of their source. */
  readonly sources: ReadonlyMap<string, readonly EntityTarget[]>;
}

export const tableId = (schema: string, name: string): string => JSON.stringify([schema, name]);

function byTable<T>(all: readonly T[], tableOf: (one: T) => { schema: string; name: string }): Map<string, T[]> {
  const tables = new Map<string, T[]>();
  for (const one of all) {
    const { schema, name } = tableOf(one);
    const id = tableId(schema, name);
    tables.set(id, [...(tables.get(id) ?? []), one]);
  }
  return tables;
}

export const targetsByTable = (targets: readonly FillTarget[]): Map<string, FillTarget[]> =>
  byTable(targets, (target) => target.derivation.table);

export const entitiesBySource = (entities: readonly EntityTarget[]): Map<string, EntityTarget[]> =>
  byTable(entities, ({ entity }) => entity.source);

export function triage(value: Uint8Array | null, expected: Expected): Triaged {
  const hint = decodeHint(value);
  if (isPoison(hint)) return { kind: 'deadLetter', reason: hint.poison };
  if (hint.migration !== expected.migrationId) return { kind: 'deadLetter', reason: 'OtherMigration' };
  if (hint.epoch !== expected.epoch) return { kind: 'deadLetter', reason: 'OtherEpoch' };
  if (hint.kind === 'fence') {
    const void_ = hint.partition !== expected.partition || hint.partitions !== expected.partitions;
    return void_ ? { kind: 'deadLetter', reason: 'VoidFence' } : { kind: 'fence', token: hint.token };
  }
  const id = tableId(...hint.table);
  const targets = (hint.kind === 'row' && expected.tables.get(id)) || [];
  const entities = (hint.kind === 'entity' && expected.sources.get(id)) || [];
  if (targets.length + entities.length === 0) return { kind: 'deadLetter', reason: 'UnknownTable' };
  return { kind: 'look', key: hint.key, xid: hint.xid, targets, entities };
}
