import type { CatalogTable } from '@highwater/derivation';
import type { MigrationId } from '@highwater/kernel';
import type { TableName } from '@highwater/plan';
import type { EntityToDelete, FillTarget } from '@highwater/target-db';
import type { ProcessState } from './process-state.js';

/**
 * The entities of a plan as a rollback needs them, in the plan's order. The columns that the plan fills refer to them too, with or without
 * the foreign key, which is gone by then.
 */
export function entitiesToDelete(
  { id, plan, catalog, targets }: Pick<ProcessState, 'id' | 'plan' | 'catalog' | 'targets'>,
  /** The target's column was dropped: it refers to nothing any more. */
  isGone: (target: FillTarget) => boolean,
): readonly EntityToDelete[] {
  const find = (name: TableName): CatalogTable | undefined =>
    catalog.tables.find((one) => one.name === name.name && one.schema === (name.schema ?? 'public'));
  return plan.entities.flatMap((entity, entityNo): EntityToDelete[] => {
    const table = find(entity.table);
    if (!table || entity.createdBy !== 'highwater') return [];
    const identity = entity.key.flatMap(({ column }) => table.columns.get(column) ?? []);
    const [to] = table.primaryKey.flatMap((name) => table.columns.get(name) ?? []);
    const references = targets.flatMap((target) => {
      const { targetNo, derivation } = target;
      const wanted = plan.tables[targetNo]?.references;
      if (!to || !wanted || find(wanted.table) !== table || isGone(target)) return [];
      return [{ table: derivation.table.ident, column: derivation.target.ident, to: to.ident }];
    });
    return [{ migrationId: id as MigrationId, entityNo, table, identity, references }];
  });
}
