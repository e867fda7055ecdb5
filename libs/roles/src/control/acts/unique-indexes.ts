import { HighwaterError, messageOf } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import {
  ddlCodes,
  ensureUniqueIndex,
  pendingIndexes,
  type DdlBudget,
  type FillTarget,
  type PlanIndex,
} from '@highwater/target-db';
import type { ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { budgetOf } from './budget.js';

/** A look at rows that were listed before costs little; whoever repairs them wants to see it soon. */
const lookEveryMs = 5_000;

/** The unique indexes of the plan, with the target of the entry that names them. */
export const uniqueIndexesOf = ({
  plan,
  targets,
}: Pick<ProcessState, 'plan' | 'targets'>): { readonly target: FillTarget; readonly index: PlanIndex }[] =>
  targets.flatMap((target) =>
    Object.entries(plan.tables[target.targetNo]?.unique ?? {}).map(([name, columns]) => ({
      target,
      index: { name, columns, unique: true },
    })),
  );

/**
 * Builds the plan's unique indexes once the sweep is through and the bridge stands: after the fill, which they would slow down, and before
 * readiness, since rows that collide must be known while nothing is enforced. Nothing to do is told by one look at the catalog.
 */
export async function uniqueIndexRound(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  if (state.phase !== 'bridged' || state.pause !== 'running') return;
  const now = performance.now();
  if (now - (process.uniqueLookedAtMs ?? -Infinity) < lookEveryMs) return;
  process.uniqueLookedAtMs = now;
  const wanted = uniqueIndexesOf(process);
  const pending = new Set(
    await pendingIndexes(
      context.database.state,
      wanted.map(({ target, index }) => ({ relid: target.derivation.table.relid, name: index.name })),
    ),
  );
  for (const { target, index } of wanted) {
    if (!pending.has(index.name)) continue;
    try {
      const outcome = await ensureUniqueIndex(context.database, target, index, budgetOf(state, signal));
      context.logger.info({ migrationId: process.id, index: index.name, outcome }, `unique index ${outcome}`);
      process.uniqueTrouble = undefined;
    } catch (error) {
      signal.throwIfAborted();
      // told by readiness; neither verification nor a retry waits for it
      process.uniqueTrouble = messageOf(error);
      context.logger.warn({ migrationId: process.id, index: index.name, err: error }, 'unique index was not built');
    }
  }
}

/** The same as a finisher: the index stands already, or was taken away since readiness. */
export async function finishUniqueIndexes(
  context: ControlContext,
  process: ProcessState,
  target: FillTarget,
  budget: DdlBudget,
): Promise<void> {
  for (const { index, target: own } of uniqueIndexesOf(process)) {
    if (own !== target) continue;
    if ((await ensureUniqueIndex(context.database, target, index, budget)) !== 'collisions') continue;
    const table = target.derivation.table.ident;
    throw new HighwaterError(
      ddlCodes.uniqueCollisions,
      'never',
      `rows of ${table} have the same key of unique index "${index.name}"`,
      { table, index: index.name },
      'GET /migrations/{id}/unfillable?reason=UniqueConflict lists them; correct them, then ask again',
    );
  }
}
