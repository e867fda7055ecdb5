import type { PlanPath, PlannedTable } from '@highwater/plan';
import type { CatalogTable } from './catalog.js';
import type { Lookup } from './lookup.js';

/**
 * Columns of the finisher indexes that are not there.
 * @param target a missing one is reported as such.
 */
export function checkIndexes(
  indexes: PlannedTable['indexes'],
  target: string | undefined,
  table: CatalogTable,
  path: PlanPath,
  lookup: Lookup,
): void {
  for (const [index, columns] of Object.entries(indexes)) {
    columns.forEach((name, i) => {
      if (name !== target) lookup.column(table, name, [...path, index, i]);
    });
  }
}
