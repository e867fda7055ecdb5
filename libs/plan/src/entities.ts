import { planCodes } from './codes.js';
import { formatTableName, sameTable } from './names.js';
import type { PlanPath } from './path.js';
import type { Plan, PlanIssue, PlannedEntity, PlannedTable } from './plan.js';
import type { PlanPositions } from './positions.js';
import type { Rule } from './rule.js';

/** Entities that make the same rows, and sources that are not there yet when they are needed. */
export function lintEntities(plan: Plan, positions: PlanPositions): PlanIssue[] {
  return [...duplicates(plan, positions), ...order(plan, positions)];
}

function duplicates(plan: Plan, positions: PlanPositions): PlanIssue[] {
  const identity = ({ table, from, key }: PlannedEntity): string =>
    JSON.stringify([
      formatTableName({ schema: 'public', ...table }),
      formatTableName({ schema: 'public', ...from }),
      key.map(({ column, rule }) => JSON.stringify([column, rule])).sort(),
    ]);
  return plan.entities.flatMap((entity, i) => {
    const first = plan.entities.findIndex((other) => identity(other) === identity(entity));
    if (first === i) return [];
    const message = `entity ${formatTableName(entity.table)} from ${formatTableName(entity.from)} is already made by entities[${first}]`;
    return [
      positions.issueAt(['entities', i, 'table'], { code: planCodes.DuplicateEntity, message, help: 'keep one' }),
    ];
  });
}

function order(plan: Plan, positions: PlanPositions): PlanIssue[] {
  return plan.entities.flatMap((entity, i) => {
    const source = plan.entities.findIndex((other, j) => j >= i && sameTable(other.table, entity.from));
    if (source < 0) return [];
    const [message, help] =
      source === i
        ? [`entity ${formatTableName(entity.table)} would be made from itself`, 'name the table its rows come from']
        : [
            `entity ${formatTableName(entity.table)} is made from ${formatTableName(entity.from)}, which entities[${source}] makes after it`,
            `put entities[${source}] before it`,
          ];
    return [positions.issueAt(['entities', i, 'from'], { code: planCodes.EntityOrder, message, help })];
  });
}

/**
 * A rule for a column of an entity, as if its source were filled with it: `via` without `then` means the rule of the entry for a
 * column of that name.
 */
export const asEntry = (entity: PlannedEntity, column: string, rule: Rule): PlannedTable => ({
  table: entity.from,
  target: { column, type: '', addColumn: false },
  notNull: false,
  rule,
  indexes: {},
  unique: {},
});

export interface RuleOfPlan {
  /** Over which table, for which column. */
  readonly entry: PlannedTable;
  readonly path: PlanPath;
}

/** Every rule of a plan: of its entities' columns and of its targets. */
export function rulesOfPlan(plan: Plan): RuleOfPlan[] {
  const ofEntities = plan.entities.flatMap((entity, i) =>
    (['key', 'values'] as const).flatMap((place) =>
      entity[place].flatMap(({ column, rule }): RuleOfPlan[] =>
        rule.kind === 'now' ? [] : [{ entry: asEntry(entity, column, rule), path: ['entities', i, place, column] }],
      ),
    ),
  );
  return [...ofEntities, ...plan.tables.map((entry, i) => ({ entry, path: ['tables', i, 'rule'] }))];
}
