import type { Catalog } from '@highwater/derivation';
import type { RetainedSample, RetentionMark } from '@highwater/migration';
import type { Plan } from '@highwater/plan';
import type { EntityTarget, FillTarget } from '@highwater/target-db';
import type { HeldLooks } from './held-entities.js';

/** A migration as its control process holds it: identity, the plan compiled once, and what is only remembered while it runs. */
export interface ProcessState {
  readonly id: string;
  readonly short: string;
  readonly planHash: string;
  readonly planSource: string;
  readonly plan: Plan;
  readonly catalog: Catalog;
  readonly targets: readonly FillTarget[];
  readonly entities: readonly EntityTarget[];
  /** What is being done, or why nothing is; shown to operators, never empty. */
  doing: { code: string; message: string; since: Date };
  /** How far the pass over the sources of the entities is, in words; only while one is under way. */
  creating?: string | undefined;
  /** What was counted last; monotonic time of the next count. */
  entitiesCounted?: { readonly created: ReadonlyMap<number, number>; readonly dueAtMs: number };
  /** How far looking again at the listed sources of entities has come. */
  heldLooks?: HeldLooks;
  /** Who asked for the attempt that this process is making; it is the one that tells how that ended. */
  cutoverOperationId?: string | undefined;
  /** The last act failed and is tried again. */
  blocked: boolean;
  /** finish takes the stream down: it is projected as gone from then on, so that no relay comes back and calls it broken. */
  finishing: boolean;
  /** Share of the nearest limit of retained WAL that was told last, so that each crossing is told once. */
  retentionMark?: RetentionMark;
  /** What the slot retained lately; none while there is no stream. */
  retained?: readonly RetainedSample[];
  /** Monotonic, of the last look at the plan's unique indexes. */
  uniqueLookedAtMs?: number;
  /** Why the last build of one did not succeed. */
  uniqueTrouble?: string | undefined;
  /** The same of row level security. */
  rowSecurityTriedAtMs?: number;
  rowSecurityTrouble?: string | undefined;
}

export function say(process: ProcessState, code: string, message: string, now: Date): void {
  if (process.doing.code === code && process.doing.message === message) return;
  process.doing = { code, message, since: process.doing.code === code ? process.doing.since : now };
}
