import {
  closeUnfillableEntities,
  countUnfillableEntities,
  createEntities,
  openUnfillableEntityKeys,
  type Database,
  type EntityTarget,
  type GateName,
} from '@highwater/target-db';
import type { LiveMigration } from '@highwater/migration';
import type { ControlContext } from '../context.js';
import { isHeld } from '../held-entities.js';
import type { ProcessState } from '../process-state.js';

/** Sources of one transaction: what the server refuses is bisected, and most of these are refused. */
const batchRows = 100;

/**
 * Looks at listed sources again, by their keys, and makes the entities that can be made by now.
 *
 * @returns entities made.
 */
export async function retryEntities(
  database: Database,
  target: EntityTarget,
  how: {
    /** Null: of every reason. */
    readonly reason: string | null;
    readonly gate: GateName;
    readonly limits: { readonly rowBudgetMs: number };
  },
  signal: AbortSignal,
): Promise<number | 'gateClosed'> {
  let made = 0;
  for (let after: readonly string[] | null = null; ;) {
    signal.throwIfAborted();
    const page = { reason: how.reason, after, limit: batchRows };
    const keys: string[][] = await openUnfillableEntityKeys(database.state, target, page);
    const last = keys.at(-1);
    if (!last) return made;
    const request = { kind: 'keys', keys: keys.map((key) => ({ key })) } as const;
    const outcome = await createEntities(database.fill, target, request, how.limits, how.gate);
    if (outcome.kind === 'gateClosed') return 'gateClosed';
    made += outcome.made;
    after = last;
  }
}

/** About a twentieth of the time goes into it; from two seconds to a minute where looking again and again finds nothing. */
const idleFactor = 20;
const pauseMs = { min: 2_000, max: 60_000 } as const;

/**
 * The same for all that the plan holds, now and then without anyone asking: a repair, or the entity that another one waited for, must not wait
 * for the next pass, which reads every source. Only remembered while the process runs: after a crash it begins anew.
 */
export async function retryHeldEntities(
  { database }: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const began = performance.now();
  const last = process.entitiesRetried ?? { dueAtMs: 0, pauseMs: 0 };
  if (began < last.dueAtMs) return;
  const open = await countUnfillableEntities(database.state, process.id);
  let [made, held] = [0, 0];
  for (const target of process.entities)
    for (const reason of Object.keys(open.get(target.entityNo) ?? {})) {
      if (!isHeld(process, target.entityNo, reason)) continue;
      held += 1;
      const done = await retryEntities(database, target, { reason, gate: 'sweep', limits: state.limits }, signal);
      if (done === 'gateClosed') return;
      made += done + (await closeUnfillableEntities(database.fill, target));
    }
  const longer =
    made > 0 || held === 0 ? pauseMs.min : Math.min(pauseMs.max, Math.max(pauseMs.min, last.pauseMs * 1.2));
  const now = performance.now();
  process.entitiesRetried = { pauseMs: longer, dueAtMs: now + Math.max(longer, (now - began) * idleFactor) };
}
