import { planCodes } from './codes.js';
import { lintEntities, rulesOfPlan } from './entities.js';
import { formatTableName, sameTable, schemaOf } from './names.js';
import { type PlanPath, formatPath } from './path.js';
import type { Plan, PlanIssue, PlannedTable, TableName } from './plan.js';
import type { PlanPositions } from './positions.js';
import { type Rule, meansOwnRule, tablesNamed, walkRule } from './rule.js';

/**
 * What can be judged without a database. A `via` that leaves its table to the declared foreign key is judged again, the same
 * way, when the rule is compiled against the catalog.
 */
export function lintPlan(plan: Plan, positions: PlanPositions): PlanIssue[] {
  return [
    ...duplicateEntries(plan, positions),
    ...duplicateIndexes(plan, positions),
    ...duplicatePolicies(plan, positions),
    ...lintEntities(plan, positions),
    ...repairWithoutJournal(plan, positions),
    ...leavesNull(plan, positions),
    ...rules(plan, positions),
  ];
}

/** Only the journal tells a value of ours from one that the application wrote. */
function repairWithoutJournal(plan: Plan, positions: PlanPositions): PlanIssue[] {
  if (!plan.repair || plan.journal) return [];
  const message = "repair is true and there is no journal: nobody could tell our values from the application's";
  const help = 'add journal: true';
  return [positions.issueAtKey(['repair'], { code: planCodes.RepairNeedsJournal, message, help })];
}

function leavesNull(plan: Plan, positions: PlanPositions): PlanIssue[] {
  return plan.tables.flatMap(({ notNull, unfillable, table }, i) => {
    const of = typeof unfillable === 'object' ? Object.entries(unfillable) : [[undefined, unfillable] as const];
    return of.flatMap(([reason, policy]) => {
      if (!notNull || policy !== 'leaveNull') return [];
      const message = `unfillable rows of ${formatTableName(table)} are left NULL, and its target shall become NOT NULL`;
      const path = ['tables', i, 'unfillable', ...(reason === undefined ? [] : [reason])];
      const help = 'say notNull: false, or hold';
      return [positions.issueAt(path, { code: planCodes.LeavesNull, message, help })];
    });
  });
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
  const seen = new Map<string, string>();
  const places = [
    ...plan.entities.map(({ table, indexes }, i) => ({ table, indexes, at: ['entities', i, 'indexes'] })),
    ...plan.tables.flatMap(({ table, indexes, unique }, i) => [
      { table, indexes, at: ['tables', i, 'indexes'] },
      { table, indexes: unique, at: ['tables', i, 'unique'] },
    ]),
  ];
  return places.flatMap(({ table, indexes, at }) =>
    Object.keys(indexes).flatMap((name) => {
      const id = JSON.stringify([schemaOf(table), name]);
      const first = seen.get(id);
      if (first === undefined) seen.set(id, formatPath(at.slice(0, 2)));
      if (first === undefined) return [];
      const message = `index ${JSON.stringify(name)} is already named by ${first}; names of indexes are unique in a schema`;
      return [positions.issueAtKey([...at, name], { code: planCodes.DuplicateIndex, message })];
    }),
  );
}

/** Row level security belongs to a table, so a second entry of the table could only contradict the first. */
function duplicatePolicies(plan: Plan, positions: PlanPositions): PlanIssue[] {
  return plan.tables.flatMap((entry, i) => {
    if (entry.rowLevelSecurity === undefined) return [];
    const first = plan.tables.findIndex(
      (other) => other.rowLevelSecurity !== undefined && sameTable(other.table, entry.table),
    );
    if (first === i) return [];
    const message = `row level security of ${formatTableName(entry.table)} is already said by tables[${first}]`;
    return [
      positions.issueAtKey(['tables', i, 'rowLevelSecurity'], {
        code: planCodes.DuplicatePolicy,
        message,
        help: 'say it once per table',
      }),
    ];
  });
}

function rules(plan: Plan, positions: PlanPositions): PlanIssue[] {
  const issues: PlanIssue[] = [];
  for (const { entry, path: root } of rulesOfPlan(plan)) {
    walkRule(entry.rule, root, (rule, path) => {
      if (rule.kind === 'firstOf') issues.push(...constantNotLast(rule, path, positions));
      if (meansOwnRule(rule)) issues.push(...ownRules(plan, entry, rule, path, positions));
    });
  }
  return issues;
}

function constantNotLast(
  rule: Extract<Rule, { kind: 'firstOf' }>,
  path: PlanPath,
  positions: PlanPositions,
): PlanIssue[] {
  const constant = rule.rules.findIndex((choice) => choice.kind === 'constant');
  if (constant < 0 || constant === rule.rules.length - 1) return [];
  return [
    positions.issueAt([...path, 'firstOf', constant], {
      code: planCodes.ConstantNotLast,
      severity: 'warning',
      message: `the choices after the constant in ${formatPath(path)} are never used: a constant always has a value`,
      help: 'put the constant last',
    }),
  ];
}

/** `via` and `lookup` that mean the own rule of the table they lead to: there must be one, and no circle. */
function ownRules(plan: Plan, entry: PlannedTable, rule: Rule, path: PlanPath, positions: PlanPositions): PlanIssue[] {
  const at = [...path, rule.kind];
  const without = rule.kind === 'lookup' ? 'lookup without take or then' : 'via without then';
  return tablesNamed(rule).flatMap((table) => {
    const parent = entryFor(plan, table, entry.target.column);
    if (parent === undefined) {
      return positions.issueAt(at, {
        code: planCodes.ParentNotPlanned,
        message: `${without} means the rule of ${formatTableName(table)}, which has no entry in this plan`,
        help: 'say what to take from it: then: { column: … }',
      });
    }
    if (!reaches(plan, parent, entry, new Set())) return [];
    const message = `the rule of ${formatTableName(entry.table)} leads back to itself through ${formatTableName(table)}`;
    return positions.issueAt(at, { code: planCodes.RuleCycle, message, help: 'say then: somewhere on the circle' });
  });
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
  walkRule(from.rule, [], (rule) => {
    if (found || !meansOwnRule(rule)) return;
    found = tablesNamed(rule).some((table) => {
      const next = entryFor(plan, table, from.target.column);
      return next !== undefined && reaches(plan, next, goal, seen);
    });
  });
  return found;
}
