import { planCodes } from './codes.js';
import { formatTableName, sameTable, schemaOf } from './names.js';
import { type PlanPath, formatPath } from './path.js';
import type { Plan, PlanIssue, PlannedTable, Rule, TableName } from './plan.js';
import type { PlanPositions } from './positions.js';

/**
 * What can be judged without a database. A `via` that leaves its table to the declared foreign key is judged again, the same
 * way, when the rule is compiled against the catalog.
 */
export function lintPlan(plan: Plan, positions: PlanPositions): PlanIssue[] {
  return [...duplicateEntries(plan, positions), ...duplicateIndexes(plan, positions), ...rules(plan, positions)];
}

function duplicateEntries(plan: Plan, positions: PlanPositions): PlanIssue[] {
  return plan.tables.flatMap((entry, i) => {
    const first = plan.tables.findIndex(
      (other) => sameTable(other.table, entry.table) && other.target.column === entry.target.column,
    );
    if (first === i) return [];
    const message = `${formatTableName(entry.table)}.${entry.target.column} is already filled by tables[${first}]`;
    return [
      positions.issueAt(['tables', i, 'table'], {
        code: planCodes.DuplicateEntry,
        message,
        help: 'keep one entry per table and target column',
      }),
    ];
  });
}

function duplicateIndexes(plan: Plan, positions: PlanPositions): PlanIssue[] {
  const seen = new Map<string, number>();
  return plan.tables.flatMap((entry, i) =>
    Object.keys(entry.indexes).flatMap((name) => {
      const id = JSON.stringify([schemaOf(entry.table), name]);
      const first = seen.get(id);
      if (first === undefined) seen.set(id, i);
      if (first === undefined) return [];
      const message = `index ${JSON.stringify(name)} is already named by tables[${first}]; names of indexes are unique in a schema`;
      return [positions.issueAtKey(['tables', i, 'indexes', name], { code: planCodes.DuplicateIndex, message })];
    }),
  );
}

function rules(plan: Plan, positions: PlanPositions): PlanIssue[] {
  const issues: PlanIssue[] = [];
  plan.tables.forEach((entry, i) => {
    walk(entry.rule, ['tables', i, 'rule'], (rule, path) => {
      if (rule.kind === 'firstOf') {
        const constant = rule.rules.findIndex((choice) => choice.kind === 'constant');
        if (constant >= 0 && constant < rule.rules.length - 1) {
          const message = `the choices after the constant in ${formatPath(path)} are never used: a constant always has a value`;
          issues.push(
            positions.issueAt([...path, 'firstOf', constant], {
              code: planCodes.ConstantNotLast,
              severity: 'warning',
              message,
              help: 'put the constant last',
            }),
          );
        }
      }
      if (rule.kind !== 'via' || rule.then !== undefined || rule.to === undefined) return;
      const at = [...path, 'via'];
      const parent = entryFor(plan, rule.to.table, entry.target.column);
      if (parent === undefined) {
        const message = `via without then means the rule of ${formatTableName(rule.to.table)}, which has no entry in this plan`;
        issues.push(
          positions.issueAt(at, {
            code: planCodes.ParentNotPlanned,
            message,
            help: 'say what to take from the parent: then: { column: … }',
          }),
        );
      } else if (reaches(plan, parent, entry, new Set())) {
        const message = `the rule of ${formatTableName(entry.table)} leads back to itself through ${formatTableName(rule.to.table)}`;
        issues.push(
          positions.issueAt(at, { code: planCodes.RuleCycle, message, help: 'say then: somewhere on the circle' }),
        );
      }
    });
  });
  return issues;
}

function walk(rule: Rule, path: PlanPath, visit: (rule: Rule, path: PlanPath) => void): void {
  visit(rule, path);
  if (rule.kind === 'firstOf') rule.rules.forEach((choice, i) => walk(choice, [...path, 'firstOf', i], visit));
  if (rule.kind === 'via' && rule.then !== undefined) walk(rule.then, [...path, 'then'], visit);
}

/** The entry whose rule `via` without `then` means: the parent's entry for the same target column, else its only one. */
export function entryFor(plan: Plan, parent: TableName, targetColumn: string): PlannedTable | undefined {
  const entries = plan.tables.filter((entry) => sameTable(entry.table, parent));
  return (
    entries.find((entry) => entry.target.column === targetColumn) ?? (entries.length === 1 ? entries[0] : undefined)
  );
}

function reaches(plan: Plan, from: PlannedTable, goal: PlannedTable, seen: Set<PlannedTable>): boolean {
  if (from === goal) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  let found = false;
  walk(from.rule, [], (rule) => {
    if (found || rule.kind !== 'via' || rule.then !== undefined || rule.to === undefined) return;
    const next = entryFor(plan, rule.to.table, from.target.column);
    found = next !== undefined && reaches(plan, next, goal, seen);
  });
  return found;
}
