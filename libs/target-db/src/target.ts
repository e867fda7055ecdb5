import type { MigrationId } from '@highwater/kernel';
import type { CompiledDerivation, CompiledEntity } from '@highwater/derivation';

/** One entry of `plan.tables`, resolved against the catalog and compiled: what filler, sweeper, bridge and guard all take. */
export interface FillTarget {
  readonly migrationId: MigrationId;
  /** 8 hex: in the name of every temporary object of ours, and the class of the gate's advisory lock. */
  readonly short: string;
  /** Index of the entry in `plan.tables`. */
  readonly targetNo: number;
  /** Table, key, target, expression, reason and what they read. */
  readonly derivation: CompiledDerivation;
}

/** One entry of `plan.entities`, resolved against the catalog and compiled. */
export interface EntityTarget {
  readonly migrationId: MigrationId;
  /** As of a `FillTarget`. */
  readonly short: string;
  /** Index of the entry in `plan.entities`. */
  readonly entityNo: number;
  readonly entity: CompiledEntity;
}
