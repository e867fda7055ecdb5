import type { TargetState } from '@highwater/migration';
import type { NamedEntity } from './planned-entities.js';
import { unknownTable } from './refusals.js';

/** Numbers of the targets a filter means: of every table, or of the one named with or without its schema. Throws HW6020. */
export const targetsNamed = (
  id: string,
  targets: readonly Pick<TargetState, 'table'>[],
  table: string | undefined,
): readonly number[] => entriesNamed(id, targets, [], table).targets;

/** The same for lists in which entities stand too: their own table or their source may be named. */
export function entriesNamed(
  id: string,
  targets: readonly Pick<TargetState, 'table'>[],
  entities: readonly NamedEntity[],
  table: string | undefined,
): { readonly targets: readonly number[]; readonly entities: readonly number[] } {
  const means = (name: string): boolean =>
    table === undefined || name === table || name.slice(name.indexOf('.') + 1) === table;
  const found = {
    targets: targets.flatMap((target, targetNo) => (means(target.table) ? [targetNo] : [])),
    entities: entities.flatMap((entity, entityNo) => (means(entity.table) || means(entity.from) ? [entityNo] : [])),
  };
  if (table === undefined || found.targets.length + found.entities.length > 0) return found;
  throw unknownTable(id, table, [
    ...targets.map((target) => target.table),
    ...entities.flatMap((entity) => [entity.table, entity.from]),
  ]);
}
