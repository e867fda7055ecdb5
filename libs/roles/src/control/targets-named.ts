import type { TargetState } from '@highwater/migration';
import { unknownTable } from './refusals.js';

/** Numbers of the targets a filter means: of every table, or of the one named with or without its schema. Throws HW6020. */
export function targetsNamed(
  id: string,
  targets: readonly Pick<TargetState, 'table'>[],
  table: string | undefined,
): readonly number[] {
  const numbers = targets.map((_, targetNo) => targetNo);
  if (table === undefined) return numbers;
  const named = numbers.filter((targetNo) => {
    const name = targets[targetNo]?.table ?? '';
    return name === table || name.slice(name.indexOf('.') + 1) === table;
  });
  if (named.length > 0) return named;
  throw unknownTable(
    id,
    table,
    targets.map((target) => target.table),
  );
}
