/** A fact to append. `at` is ISO 8601 UTC; data and metadata are JSON. */
export interface NewEvent {
  readonly type: string;
  readonly at: string;
  readonly metadata: object;
  readonly data: object;
}

/** A fact in the log. `version` counts from 1 in its stream, `position` from 1 over all streams, both without a gap. */
export interface StoredEvent {
  readonly stream: string;
  readonly version: number;
  readonly position: bigint;
  readonly type: string;
  readonly at: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Who asked: a command id is accepted at most once, and only for the request with this hash. */
export interface CommandKey {
  readonly commandId: string;
  readonly requestHash: string;
}

export interface AppendResult {
  /** Version of the stream after the append. */
  readonly version: number;
  /** True: this command was accepted before, and this is what it gave then. */
  readonly repeated: boolean;
}

export interface EventRow {
  readonly stream_id: string;
  readonly version: string;
  readonly position: string;
  readonly type: string;
  readonly at: string;
  readonly metadata: Record<string, unknown>;
  readonly data: Record<string, unknown>;
}

export const storedEvent = (row: EventRow): StoredEvent => ({
  stream: row.stream_id,
  version: Number(row.version),
  position: BigInt(row.position),
  type: row.type,
  at: row.at,
  metadata: row.metadata,
  data: row.data,
});
