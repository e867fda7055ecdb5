// What one run leaves behind for the checker: plain data, so that a bad history can be written by hand. Times are milliseconds of
// the server's clock; positions are the server's own, as bigints.

/** A row our session changed on a planned table. */
export interface Write {
  readonly at: number;
  readonly committedAt: number;
  readonly by: string;
  readonly table: string;
  readonly key: string;
  readonly hadValue: boolean;
  readonly hasValue: boolean;
  /** A column besides the target changed. */
  readonly otherChanged: boolean;
  /** The value equals the rule written by hand, on the statement's own snapshot. */
  readonly asRule: boolean;
}

/** A sweep range that moved on: its rows are the same commit. */
export interface RangeStep {
  readonly committedAt: number;
  readonly range: string;
  readonly token: bigint;
  readonly owner: string | null;
  readonly filled: number;
}

/** A row inserted without a value, as an independent decoder saw it. */
export interface Insert {
  readonly table: string;
  readonly key: string;
  readonly xid: bigint;
  /** End of its commit. */
  readonly endLsn: bigint;
}

/** A statement that the bridge told of, as the independent decoder saw it. */
export interface BridgeMessage {
  readonly lsn: bigint;
}

/** A row hint in the topic. */
export interface SeenHint {
  readonly epoch: number;
  readonly partition: number;
  readonly offset: bigint;
  readonly table: string;
  readonly key: string;
  readonly xid: bigint;
  /** When the broker appended it. */
  readonly storedAt: number;
}

/** What a hint's committed offset promised and the row did not show. */
export interface BrokenPromise {
  readonly at: number;
  /** Still without a value in the version that the hint is about, or inserted by a transaction that nobody can see yet. */
  readonly how: 'empty' | 'invisible';
  readonly xid: bigint;
  readonly partition: number;
  readonly offset: bigint;
  readonly committed: bigint;
  readonly table: string;
  readonly key: string;
}

/** One look at the catalog, many times a second. */
export interface CatalogSample {
  readonly at: number;
  readonly slots: readonly { readonly name: string; readonly acknowledged: bigint }[];
  readonly publications: readonly string[];
  /** Sessions of ours. */
  readonly connections: number;
  /** Of ours, with a transaction open and nothing running in it. */
  readonly idleInTransaction: readonly { readonly by: string; readonly ms: number }[];
  /** Application sessions that wait for a lock one of ours holds. */
  readonly waits: readonly {
    readonly by: string;
    readonly for: string;
    readonly kind: 'table' | 'row';
    readonly ms: number;
  }[];
}

/** Progress as the product counts it; each counter alone. `bridged` counts the statements that the bridge told of. */
export interface ProgressSample {
  readonly at: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** A schema change of ours on a planned table that committed, and what the table held at that moment. */
export interface SchemaChange {
  readonly at: number;
  readonly by: string;
  readonly table: string;
  readonly checks: number;
  readonly notNull: boolean;
  readonly rowsWithoutValue: number;
}

export interface LoggedEvent {
  readonly version: number;
  readonly position: number;
  readonly at: number;
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly actor: string;
  readonly operationId: string | null;
}

/** A fence and how many partitions it came back through, by when. */
export interface SeenFence {
  readonly epoch: number;
  readonly writtenAt: number;
  readonly partitions: number;
  readonly arrived: number;
  readonly lastArrivalAt: number | null;
}

export interface ReadinessSample {
  readonly at: number;
  readonly generation: string;
  readonly ready: boolean;
  readonly conditions: readonly { readonly type: string; readonly status: string }[];
}

/** Between its acknowledgement and the request that ended it. */
export interface Stopped {
  readonly verb: 'pause' | 'halt';
  readonly acknowledgedAt: number;
  readonly endedAt: number;
}

export interface PublishedEvent {
  readonly id: string;
  readonly version: number;
}

export interface ProcessSample {
  readonly at: number;
  readonly pid: number;
  readonly residentBytes: number;
  readonly openFiles: number;
}

/** How it stands when nothing writes any more. */
export interface End {
  readonly rowsWithoutValue: Readonly<Record<string, readonly string[]>>;
  readonly wrongRows: Readonly<Record<string, number>>;
  readonly openUnfillable: readonly { readonly table: string; readonly key: string; readonly reason: string }[];
  readonly notNull: readonly string[];
  readonly counted: number;
  readonly phase: string;
  readonly replayedPhase: string;
  /** Of UPDATE, DELETE and TRUNCATE of the events as the service's own role: those that were let through. */
  readonly historyChangesAllowed: readonly string[];
  /** Where a canary was found: a log, a topic, an event. */
  readonly canaries: readonly string[];
  readonly slots: readonly string[];
  readonly publications: readonly string[];
  readonly expiredLeases: number;
}

export interface History {
  readonly migration: string;
  readonly plannedTables: readonly string[];
  readonly stream: boolean;
  readonly writes: readonly Write[];
  readonly rangeSteps: readonly RangeStep[];
  readonly inserts: readonly Insert[];
  readonly bridgeMessages: readonly BridgeMessage[];
  readonly hints: readonly SeenHint[];
  /** By epoch: the last moment at which everything in the topic had been read into `hints`. */
  readonly readUpTo: Readonly<Record<number, number>>;
  readonly brokenPromises: readonly BrokenPromise[];
  /** Hints that were answered `contended` for good: the tail pass owns their rows. */
  readonly contended: number;
  readonly catalog: readonly CatalogSample[];
  readonly progress: readonly ProgressSample[];
  readonly schemaChanges: readonly SchemaChange[];
  readonly events: readonly LoggedEvent[];
  readonly published: readonly PublishedEvent[];
  readonly fences: readonly SeenFence[];
  readonly readiness: readonly ReadinessSample[];
  readonly stops: readonly Stopped[];
  readonly processes: readonly ProcessSample[];
  /** Somebody else's hand on slot, publication or topic: from then on until the next epoch the stream promises nothing. */
  readonly tampered: readonly { readonly at: number; readonly what: string }[];
  /** While one of our processes was frozen or a server was down, waits are bounded by other limits. */
  readonly disturbed: readonly { readonly from: number; readonly to: number }[];
  /** Application errors outside of its own server's restarts, by SQLSTATE. */
  readonly applicationErrors: Readonly<Record<string, number>>;
  readonly limits: { readonly lockBudgetMs: number; readonly rowBudgetMs: number };
  readonly end: End;
}

/** What one invariant came to. `skipped` says why there was nothing to judge. */
export interface Verdict {
  readonly invariant: string;
  readonly says: string;
  readonly witnesses: readonly string[];
  readonly judged: number;
}

export type Invariant = readonly [id: string, says: string, judge: (history: History) => Judged];
export interface Judged {
  /** How many facts were looked at: 0 means that the run could not have broken it. */
  readonly judged: number;
  readonly witnesses: readonly string[];
}

/** Judges each item; a text is a witness against the invariant. */
export function each<T>(items: readonly T[], against: (item: T, index: number) => string | undefined): Judged {
  return { judged: items.length, witnesses: items.map(against).filter((text) => text !== undefined) };
}
export const both = (...parts: readonly Judged[]): Judged => ({
  judged: parts.reduce((sum, part) => sum + part.judged, 0),
  witnesses: parts.flatMap((part) => part.witnesses),
});
