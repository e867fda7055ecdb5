import { must } from '@highwater/kernel';
import {
  closeEntriesOf,
  countUnfillableEntities,
  createEntities,
  openUnfillableEntityKeys,
  type Database,
  type EntityOutcome,
  type EntityTarget,
  type GateName,
} from '@highwater/target-db';
import type { LiveMigration } from '@highwater/migration';
import type { ControlContext } from '../context.js';
import { heldLists, looksWantedAfter, noLooks, type HeldLooks } from '../held-entities.js';
import type { ProcessState } from '../process-state.js';

/** Sources of one transaction: what the server refuses is bisected, and most of these are refused. */
const batchRows = 100;

interface RetryHow {
  /** Null: of every reason. */
  readonly reasons: readonly string[] | null;
  readonly gate: GateName;
  readonly limits: { readonly rowBudgetMs: number };
}

/**
 * Looks at listed sources again, by their keys, and makes the entities that can be made by now.
 *
 * @returns entities made.
 */
export async function retryEntities(
  database: Database,
  target: EntityTarget,
  how: RetryHow,
  signal: AbortSignal,
): Promise<number | 'gateClosed'> {
  let made = 0;
  for (let after: readonly string[] | null = null; ;) {
    signal.throwIfAborted();
    const page = { reasons: how.reasons, after, limit: batchRows };
    const keys: string[][] = await openUnfillableEntityKeys(database.state, target, page);
    after = keys.at(-1) ?? null;
    if (after === null) return made;
    const outcome = await lookAgain(database, target, keys, how);
    if (outcome.kind === 'gateClosed') return 'gateClosed';
    made += outcome.made;
  }
}

const lookAgain = (
  database: Database,
  target: EntityTarget,
  keys: readonly (readonly string[])[],
  { limits, gate }: Pick<RetryHow, 'limits' | 'gate'>,
): Promise<EntityOutcome> =>
  createEntities(database.fill, target, { kind: 'keys', keys: keys.map((key) => ({ key })) }, limits, gate);

/** A round is over after either: passes, and the next look at pause and halt, wait behind it. */
const roundMax = { ms: 1_000, rows: 5_000 } as const;

/**
 * The same for all that the plan holds, now and then without anyone asking: a repair, or the entity that another one waited for, must not wait
 * for the next pass, which reads every source. In rounds: each entity's list has its turn page by page, so that a long one holds up no
 * short one, and the next round goes on where this one ended. Only remembered while the process runs: after a crash it begins anew.
 */
export async function retryHeldEntities(
  { database }: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
  round: { readonly ms: number; readonly rows: number } = roundMax,
): Promise<void> {
  const began = performance.now();
  const looks = process.heldLooks ?? noLooks;
  if (began < looks.dueAtMs) return;
  let lists = looks.lists;
  if (lists.length === 0) lists = heldLists(process, await countUnfillableEntities(database.state, process.id));
  let [looked, closed] = [0, 0];
  const come = (): HeldLooks => ({ ...looks, lists, closed: looks.closed + closed });
  while (looked < round.rows && performance.now() - began < round.ms) {
    signal.throwIfAborted();
    const [list, ...others] = lists;
    if (list === undefined) break;
    const target = must(process.entities[list.entityNo], 'a list is of an entity of the plan');
    const page = { reasons: list.reasons, after: list.after, limit: batchRows };
    const keys = await openUnfillableEntityKeys(database.state, target, page);
    const last = keys.at(-1);
    lists = last === undefined ? others : [...others, { ...list, after: last }];
    // passed by until the next look even when it fails: a page that fails each time must not hold up what follows it
    process.heldLooks = come();
    if (last === undefined) continue;
    const outcome = await lookAgain(database, target, keys, { limits: state.limits, gate: 'sweep' });
    if (outcome.kind === 'gateClosed') {
      process.heldLooks = { ...come(), lists: [list, ...others] };
      return;
    }
    looked += keys.length;
    closed += await closeEntriesOf(database.fill, target, keys);
  }
  const now = performance.now();
  process.heldLooks = looksWantedAfter(come(), { now, tookMs: now - began, looked, closed });
}
