import { must } from '@highwater/kernel';
import type { CatalogTable } from '@highwater/derivation';
import type { PlannedTable } from '@highwater/plan';
import {
  ensureForeignKey,
  ensurePlanIndex,
  foreignKeysToReplace,
  tableOfEntity,
  type DdlBudget,
  type EntityTarget,
  type FillTarget,
} from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import type { ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { finishUniqueIndexes } from './unique-indexes.js';

interface Finishing {
  readonly context: ControlContext;
  readonly process: ProcessState & { readonly entities?: readonly EntityTarget[] };
  readonly budget: DdlBudget;
  readonly signal: AbortSignal;
}

/**
 * Keys with another ON DELETE than the plan says are replaced before anything is enforced: under NOT NULL an old `ON DELETE SET NULL` would
 * fail each deletion of a parent, and a replacement that fails has cost nothing yet.
 */
export async function replaceForeignKeys({ context, process, budget, signal }: Finishing): Promise<void> {
  for (const { target, parent, references } of foreignKeysOf(process)) {
    signal.throwIfAborted();
    const standing = await foreignKeysToReplace(context.database, target, parent, references);
    if (standing.length > 0) await ensureForeignKey(context.database, target, parent, references, budget);
  }
}

/** Indexes of entities, unique indexes, indexes, then foreign keys: all are found, not repeated, when an earlier attempt built them. */
export async function buildFinishers({ context, process, budget, signal }: Finishing): Promise<void> {
  for (const target of process.entities ?? []) {
    for (const [name, columns] of Object.entries(process.plan.entities[target.entityNo]?.indexes ?? {})) {
      signal.throwIfAborted();
      await ensurePlanIndex(context.database, tableOfEntity(target), { name, columns }, budget);
      await failpoint('cutover.afterIndex');
    }
  }
  for (const target of process.targets) {
    await finishUniqueIndexes(context, process, target, budget);
    for (const [name, columns] of Object.entries(entryOf(process, target).indexes)) {
      signal.throwIfAborted();
      await ensurePlanIndex(context.database, target, { name, columns }, budget);
      await failpoint('cutover.afterIndex');
    }
    for (const { target: own, parent, references } of foreignKeysOf(process)) {
      if (own !== target) continue;
      await ensureForeignKey(context.database, target, parent, references, budget);
      await failpoint('cutover.afterForeignKey');
    }
  }
}

const entryOf = ({ plan }: ProcessState, target: FillTarget): PlannedTable =>
  must(plan.tables[target.targetNo], 'a target has its entry in the plan');

function foreignKeysOf(process: ProcessState): {
  readonly target: FillTarget;
  readonly parent: CatalogTable;
  readonly references: NonNullable<PlannedTable['references']>;
}[] {
  return process.targets.flatMap((target) => {
    const { references } = entryOf(process, target);
    if (!references) return [];
    const { name, schema = 'public' } = references.table;
    const parent = process.catalog.tables.find((one) => one.name === name && one.schema === schema);
    return { target, parent: must(parent, `table ${name} was in the catalog`), references };
  });
}
