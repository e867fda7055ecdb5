import { z } from 'zod';

// The one definition of every migration event. Types, JSON Schemas and the AsyncAPI document come from here.
// Additive changes only within v1. Never row data, never a progress tick.

const count = z.int().nonnegative();
const ms = z.number().nonnegative();
const instant = z.iso.datetime();
const text = z.string();

/** One planned target; `table` is written `schema.name`, both parts exactly as the catalog has them. */
const target = z.object({ table: text, target: text });
const limits = z.object({
  lockBudgetMs: count,
  rowBudgetMs: count,
  lockAttempts: count,
  sweepWorkers: count,
  replicaLagMs: count,
  chunkRowsMax: count,
  sweepRowsPerSecondMax: count,
});
const condition = z.object({ type: text, reason: text });
/** Who stood in the way of a lock: never a query text, never a value. */
const blocker = z.object({
  kind: z.enum(['session', 'prepared', 'autovacuum', 'unknown']),
  pid: z.int().nullable(),
  applicationName: text.nullable(),
  since: instant.nullable(),
  mode: text.nullable(),
});
/** One statement of ours on the user's table: which lock, how long held and how long waited for. */
const ddlStep = z.object({ name: text, lockMode: text, heldMs: ms, lockWaitMs: ms });
const reasoned = z.object({ reason: text });

/** Data of each event, by type (CONTRACTS "Migration events"). */
export const eventData = {
  Planned: z.object({
    planHash: text,
    planSource: text,
    /** 8 hex digits that name our objects. */
    short: z.string().regex(/^[0-9a-f]{8}$/),
    tables: z.array(target.extend({ notNull: z.boolean() })).min(1),
    mode: z.enum(['bridge', 'strict']),
    stream: z.boolean(),
    cutoverStart: z.enum(['manual', 'auto']),
    windowMs: count,
    approvals: count,
    limits,
  }),
  PreflightPassed: z.object({ warnings: z.array(text), acceptedWarnings: z.array(text), fingerprint: text }),
  PreflightFailed: z.object({ failures: z.array(z.object({ check: text, message: text })).min(1) }),
  Expanded: z.object({ columns: z.array(target) }),
  StreamOpened: z.object({
    epoch: count,
    slot: text,
    publication: text,
    publicationOid: count,
    publicationDefinition: text,
    topic: text,
    topicId: text,
    partitions: count,
    /** LSN text at which the slot became consistent. */
    consistentPoint: text,
    systemIdentifier: text,
  }),
  StreamBroken: z.object({ epoch: count, reason: text, message: text }),
  SweepStarted: z.object({
    epoch: count,
    tables: z.array(target.extend({ ranges: count, rowsEstimated: count })),
  }),
  SweepCompleted: z.object({ epoch: count, filled: count, unfillable: count }),
  Bridged: z.object({ epoch: count, mode: z.enum(['assign', 'observe']), at: instant, tables: z.array(target) }),
  Paused: reasoned,
  Resumed: reasoned,
  Halted: reasoned,
  LimitsChanged: z.object({ limits }),
  VerificationCompleted: z.object({
    checked: count,
    mismatches: count,
    unfillable: count,
    /** Rows that the verification itself set right, by the journal; absent: the plan asks for no repair. */
    repaired: count.optional(),
    tables: z.array(target.extend({ checked: count, mismatches: count, unfillable: count })),
    /** The plan's own queries: each must have found 0; null: it gave no number. Absent: the plan has none. */
    assertions: z.array(z.object({ name: text, found: z.number().nullable(), error: text.nullable() })).optional(),
  }),
  BecameReady: z.object({ generation: text }),
  CeasedReady: z.object({ generation: text, conditions: z.array(condition) }),
  Held: reasoned,
  Released: reasoned,
  /** `of` left out: of the cutover. */
  Approved: reasoned.extend({ of: z.enum(['rowSecurity']).optional() }),
  FenceReached: z.object({ token: text, epoch: count, partitions: count, roundTripMs: ms }),
  CutoverBegan: z.object({ attempt: count, operationId: text, generation: text, reason: text }),
  Guarded: target.extend({ attempt: count, heldMs: ms, lockWaitMs: ms }),
  Enforced: target.extend({ attempt: count, steps: z.array(ddlStep) }),
  CutoverFailed: z.object({
    attempt: count,
    /** Null: it failed before any table's turn, for example at the fence. */
    table: target.nullable(),
    blocker: blocker.nullable(),
    code: text,
    message: text,
  }),
  CutoverOutcomeUnknown: z.object({ attempt: count, table: target, step: text, message: text }),
  CutoverReconciled: z.object({
    attempt: count,
    table: target,
    /** What the catalog says now. */
    found: z.enum(['open', 'guarded', 'validated', 'enforced']),
  }),
  CutoverCompleted: z.object({ attempt: count, tables: z.array(target) }),
  Unenforced: z.object({ tables: z.array(target), reason: text }),
  RolledBack: z.object({
    reason: text,
    /** What was taken back, in words, with counts. */
    undone: z.array(text),
    /** What stays on purpose, and why: changed by the application, referred to by now, made by somebody else. */
    kept: z.array(text).optional(),
    leftovers: z.array(text),
  }),
  Finished: z.object({ droppedAt: instant, leftovers: z.array(text) }),
} as const;

export type EventType = keyof typeof eventData;
export type EventData<T extends EventType> = z.infer<(typeof eventData)[T]>;
export const eventTypes = Object.keys(eventData) as readonly EventType[];

/** Who asked, and which operation and request it belongs to. */
export const metadataSchema = z.object({
  actor: z.string().min(1),
  operationId: z.string().optional(),
  correlationId: z.string().optional(),
});
export type Metadata = z.infer<typeof metadataSchema>;

/** One fact of a migration's history. `at` is ISO 8601 in UTC and only shown: order comes from the version. */
export interface EventOf<T extends EventType> {
  readonly type: T;
  readonly at: string;
  readonly metadata: Metadata;
  readonly data: EventData<T>;
}
export type MigrationEvent = { [T in EventType]: EventOf<T> }[EventType];

export type TargetName = z.infer<typeof target>;
export type LimitValues = z.infer<typeof limits>;
export type Blocker = z.infer<typeof blocker>;
export type DdlStep = z.infer<typeof ddlStep>;
