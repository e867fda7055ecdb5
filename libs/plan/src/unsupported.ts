import { planCodes } from './codes.js';
import type { PlanPath } from './path.js';
import type { PlanIssue } from './plan.js';
import type { PlanPositions } from './positions.js';
import { ruleKinds } from './schema-rule.js';
import { knownKeys } from './schema.js';
import { suggest } from './suggest.js';

const laterKeys = new Set(['assertions']);
const rules: readonly string[] = ruleKinds;

type Data = Record<string, unknown>;
const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Takes what the format knows but this version does not do, and rules that are not exactly one kind, out of the data, each
 * with an issue of its own: the schema would call them unknown keys, and its union of rules explains nothing.
 */
export function takeOutUnsupported(data: unknown, positions: PlanPositions): { data: unknown; issues: PlanIssue[] } {
  const issues: PlanIssue[] = [];
  const later = (path: PlanPath, what: string): void => {
    issues.push(
      positions.issueAtKey(path, {
        code: planCodes.NotSupportedYet,
        message: `${what} is not supported by this version yet`,
        help: 'take it out',
      }),
    );
  };

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

  const withoutLater = (part: Data, path: PlanPath, known: ReadonlySet<string>): Data =>
    Object.fromEntries(
      Object.entries(part).filter(([key]) => {
        if (known.has(key)) later([...path, key], `"${key}"`);
        return !known.has(key);
      }),
    );

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
  const plan = withoutLater(data, [], laterKeys);
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
