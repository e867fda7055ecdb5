/** What somebody looked at, when, and what was seen; or that looking failed. `at` is ISO, UTC. */
export type Observed<T> = ({ readonly at: string } & Readonly<T>) | { readonly at: string; readonly error: string };

export interface PreflightSeen {
  failures: readonly { readonly check: string; readonly message: string }[];
  unacceptedWarnings: readonly string[];
}
export interface SchemaSeen {
  fingerprintExpected: string;
  fingerprintFound: string;
  /** What is gone or no longer fits, where it can be named. */
  difference?: string;
}
export interface PublicationSeen {
  intact: boolean;
  /** What differs from the publication that was opened; empty when intact. */
  difference: string;
  /** Objects that bear our name and are not of this stream, each with the command that takes it away. */
  strays?: readonly string[];
}
export interface SlotSeen {
  active: boolean;
  /** `pg_replication_slots.wal_status`; null: the slot is not there. */
  walStatus: 'reserved' | 'extended' | 'unreserved' | 'lost' | null;
  retainedBytes: number;
  /** `safe_wal_size`; null: unlimited. */
  safeBytes: number | null;
  /** The plan's `retainedWal`. */
  limitBytes: number;
  /** WAL that the relay has not acknowledged yet. */
  behindBytes?: number;
  /** The oldest open transaction of the cluster: a slot that is read to its end still keeps what it may need. */
  holder?: string | null;
}
export interface FenceSeen {
  readonly token: string;
  readonly writtenAt: string;
  /** When every partition had committed past it. */
  readonly reachedAt?: string;
  readonly partitions: number;
  readonly reached: number;
  readonly roundTripMs?: number;
  readonly stuck: readonly { readonly partition: number; readonly parked: number; readonly contended: number }[];
}
export interface StreamSeen {
  broken?: { readonly reason: string; readonly message: string };
  fence?: FenceSeen;
}
export interface SweepSeen {
  rangesOpen: number;
  rangesDone: number;
  workers: number;
  rowsRemainingEstimated: number;
  /** Complete passes over what was still NULL, in this epoch. */
  tailPassesDone: number;
}
export interface NullsSeen {
  perTable: readonly {
    readonly table: string;
    readonly target: string;
    readonly count: number;
    readonly listedUnfillable: number;
  }[];
}
export interface UnfillableSeen {
  /** Open entries that the plan holds, of targets and of entities. */
  total: number;
  byReason: Readonly<Record<string, number>>;
  /** Filled rows that a unique index of the plan would refuse; in total and byReason too. */
  collisions?: readonly { readonly index: string; readonly rows: number }[];
  /** Unique indexes of the plan that are not there yet: whether rows collide is not known. */
  uniquePending?: readonly string[];
  /** Why the last attempt to build one did not succeed. */
  uniqueTrouble?: string;
  /** Of the total: sources of which no entity can be made, by the entity's table. */
  entities?: Readonly<Record<string, number>>;
}
export interface BridgeSeen {
  mode: 'assign' | 'observe';
  /** Absent: not installed. */
  installedAt?: string;
  enabledEverywhere: boolean;
  windowMs: number;
  /** The last statement that was left NULL (mode assign), or that inserted one (mode observe). */
  lastUnresolved?: { readonly applicationName: string; readonly at: string };
  unresolvedInWindow: number;
  /** When the bridge's reports were last interrupted: the window starts again there. */
  brokenAt?: string;
}
export interface EntitiesSeen {
  /** Empty: the plan has none. */
  perEntity: readonly {
    readonly table: string;
    readonly from: string;
    readonly createdBy: 'highwater' | 'application';
    /** Sources without their entity that are not listed as unfillable, counted after the bridge was there; null: not counted since. */
    readonly missing: number | null;
  }[];
}
export interface VerificationSeen {
  checked: number;
  mismatches: number;
  /** The plan's own queries, as answered at the end of it. */
  assertions?: readonly { readonly name: string; readonly found: number | null; readonly error: string | null }[];
  /** When all rows were last compared again with the same result, ISO. */
  againAt?: string;
}
export interface LockBlocker {
  readonly pid: number | null;
  readonly applicationName: string | null;
  readonly since: string;
  readonly table: string;
  readonly mode: string;
  readonly kind: 'session' | 'prepared' | 'autovacuum';
}
export interface LockBlockersSeen {
  blockers: readonly LockBlocker[];
}

/** Everything readiness is judged by. An absent observation was not made yet: Unknown. */
export interface Observations {
  readonly preflight?: Observed<PreflightSeen>;
  readonly schema?: Observed<SchemaSeen>;
  readonly publication?: Observed<PublicationSeen>;
  readonly slot?: Observed<SlotSeen>;
  readonly stream?: Observed<StreamSeen>;
  readonly sweep?: Observed<SweepSeen>;
  readonly nulls?: Observed<NullsSeen>;
  readonly unfillable?: Observed<UnfillableSeen>;
  readonly bridge?: Observed<BridgeSeen>;
  readonly entities?: Observed<EntitiesSeen>;
  readonly verification?: Observed<VerificationSeen>;
  readonly lockBlockers?: Observed<LockBlockersSeen>;
}
export type ObservationName = keyof Observations;

/** Milliseconds after which an observation says nothing any more. Null: a recorded fact, which does not age. */
export const observationAgeMsMax: Readonly<Record<ObservationName, number | null>> = {
  preflight: null,
  schema: 60_000,
  publication: 30_000,
  slot: 30_000,
  stream: 30_000,
  sweep: 30_000,
  nulls: 30_000,
  unfillable: 30_000,
  bridge: 30_000,
  entities: 30_000,
  verification: null,
  lockBlockers: 30_000,
};
