import type { TableKeyReference, TableName } from './plan.js';
import type { PlanPath } from './path.js';

/** How the value follows from the row and its relatives. Declarative data, never SQL. */
export type Rule =
  | { readonly kind: 'column'; readonly column: string }
  /** Follow a foreign key, then any rule on the parent; without `then`, the parent's own rule in this plan. */
  | { readonly kind: 'via'; readonly columns: readonly string[]; readonly to?: TableKeyReference; readonly then?: Rule }
  | { readonly kind: 'firstOf'; readonly rules: readonly Rule[] }
  | { readonly kind: 'constant'; readonly value: string }
  | LookupRule
  /** Text made of the row's columns; a NULL column makes it NULL. */
  | { readonly kind: 'template'; readonly parts: readonly TemplatePart[] }
  /** What another rule gives, as text, looked up in a table of values. */
  | {
      readonly kind: 'map';
      readonly of: Rule;
      readonly values: readonly { readonly from: string; readonly to: string }[];
    }
  | FunctionRule;

/**
 * Rows of another table that refer to ours, such as memberships. Rows without a value have no say. With neither `take` nor
 * `then`, the table's own rule in this plan.
 */
export interface LookupRule {
  readonly kind: 'lookup';
  readonly table: TableName;
  readonly where: readonly LookupCondition[];
  readonly take?: string;
  readonly then?: Rule;
  /** `single`: all agree on one value, else `Ambiguous`. Otherwise the first in that order, ties broken by the table's key. */
  readonly pick: 'single' | LookupOrder;
}

export type LookupCondition =
  { readonly theirs: string; readonly ours: string } | { readonly theirs: string; readonly constant: string };

export interface LookupOrder {
  readonly by: readonly string[];
  readonly order: 'asc' | 'desc';
}

export type TemplatePart =
  { readonly text: string } | { readonly column: string; readonly filters: readonly TemplateFilter[] };

export type TemplateFilter =
  /** What stands before the first such text; NULL when there is none, or nothing before it. */
  | { readonly filter: 'before'; readonly text: string }
  /** That many hexadecimal digits of the SHA-256 of the text. */
  | { readonly filter: 'hash'; readonly digits: number };

/** An existing SQL function, called with the values of other rules. */
export interface FunctionRule {
  readonly kind: 'function';
  readonly function: FunctionName;
  readonly arguments: readonly Rule[];
  /** What the function reads: to be granted and watched like any other input. */
  readonly reads: readonly { readonly table: TableName; readonly columns: readonly string[] }[];
}

/** `app.tenant_of`, or with the types of its arguments where there are several: `app.tenant_of(uuid)`. */
export interface FunctionName {
  readonly schema?: string;
  readonly name: string;
  readonly argumentTypes?: readonly string[];
}

/** The rules a rule is made of, with their paths below it. */
export function rulesWithin(rule: Rule, path: PlanPath): { readonly rule: Rule; readonly path: PlanPath }[] {
  switch (rule.kind) {
    case 'firstOf':
      return rule.rules.map((choice, i) => ({ rule: choice, path: [...path, 'firstOf', i] }));
    case 'via':
    case 'lookup':
      return rule.then === undefined ? [] : [{ rule: rule.then, path: [...path, 'then'] }];
    case 'map':
      return [{ rule: rule.of, path: [...path, 'map'] }];
    case 'function':
      return rule.arguments.map((argument, i) => ({ rule: argument, path: [...path, 'arguments', i] }));
    case 'column':
    case 'constant':
    case 'template':
      return [];
  }
}

/** Calls `visit` with a rule and all rules within it, the outer ones first. */
export function walkRule(rule: Rule, path: PlanPath, visit: (rule: Rule, path: PlanPath) => void): void {
  visit(rule, path);
  for (const inner of rulesWithin(rule, path)) walkRule(inner.rule, inner.path, visit);
}

/** Tables that a rule names itself, the rules within it left out; a `via` without `to` leaves it to the foreign key. */
export function tablesNamed(rule: Rule): TableName[] {
  if (rule.kind === 'via') return rule.to === undefined ? [] : [rule.to.table];
  if (rule.kind === 'lookup') return [rule.table];
  if (rule.kind === 'function') return rule.reads.map(({ table }) => table);
  return [];
}

/** Whether the rule means the own rule, in this plan, of the table it leads to. */
export const meansOwnRule = (rule: Rule): boolean =>
  (rule.kind === 'via' && rule.then === undefined) ||
  (rule.kind === 'lookup' && rule.then === undefined && rule.take === undefined);
