import { planCodes } from './codes.js';
import type { PlanPath } from './path.js';
import type { PlanIssue } from './plan.js';
import type { PlanPositions } from './positions.js';
import { ruleKinds } from './schema-rule.js';
import { knownKeys } from './schema.js';
import { suggest } from './suggest.js';

const rules: readonly string[] = ruleKinds;

type Data = Record<string, unknown>;
const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Takes rules that are not exactly one kind out of the data, each with an issue of its own: the schema's union of rules explains nothing.
 */
export function takeOutMixedRules(data: unknown, positions: PlanPositions): { data: unknown; issues: PlanIssue[] } {
  const issues: PlanIssue[] = [];
  const checkRule = (rule: unknown, path: PlanPath): unknown => {
    if (!isData(rule)) return rule;
    const kinds = rules.filter((kind) => kind in rule);
    if (kinds.length !== 1) {
      const keys = Object.keys(rule);
      const near = keys
        .map((key) => suggest(key, knownKeys['rule'] ?? []))
        .find((key) => key !== undefined && rules.includes(key));
      const message = `a rule is exactly one of ${rules.join(', ')}; found ${keys.length === 0 ? 'an empty map' : keys.map((key) => JSON.stringify(key)).join(', ')}`;
      issues.push(
        positions.issueAt(path, {
          code: planCodes.BadValue,
          message,
          ...(kinds.length === 0 && near ? { help: `did you mean "${near}"?` } : {}),
        }),
      );
      return placeholder;
    }
    const checked: Data = { ...rule };
    for (const place of ['then', 'map']) if (place in rule) checked[place] = checkRule(rule[place], [...path, place]);
    for (const place of ['firstOf', 'arguments']) {
      const list = rule[place];
      if (Array.isArray(list)) checked[place] = list.map((each, i) => checkRule(each, [...path, place, i]));
    }
    return checked;
  };

  const checkRules = (rules: unknown, path: PlanPath, now: boolean): unknown =>
    isData(rules)
      ? Object.fromEntries(
          Object.entries(rules).map(([column, rule]) => [
            column,
            // the moment of creation is a value, and no rule
            now && isData(rule) && 'now' in rule ? rule : checkRule(rule, [...path, column]),
          ]),
        )
      : rules;

  if (!isData(data)) return { data, issues };
  const plan: Data = { ...data };
  if (Array.isArray(plan['tables'])) {
    plan['tables'] = plan['tables'].map((entry: unknown, i) => {
      if (!isData(entry)) return entry;
      const table: Data = { ...entry };
      if ('rule' in table) table['rule'] = checkRule(table['rule'], ['tables', i, 'rule']);
      return table;
    });
  }
  if (Array.isArray(plan['entities'])) {
    plan['entities'] = plan['entities'].map((entity: unknown, i) => {
      if (!isData(entity)) return entity;
      const checked: Data = { ...entity };
      for (const place of ['key', 'values'])
        if (place in entity) checked[place] = checkRules(entity[place], ['entities', i, place], place === 'values');
      return checked;
    });
  }
  return { data: plan, issues };
}

/** Keeps the schema quiet about a rule that was already refused. */
const placeholder = 'refused';
