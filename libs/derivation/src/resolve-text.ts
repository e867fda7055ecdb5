import type { Rule } from '@highwater/plan';
import { textAim } from './aim.js';
import { derivationCodes as codes } from './codes.js';
import { nameOf } from './issue.js';
import type { Node, TemplateNodePart } from './node.js';
import type { RuleResolver, Scope } from './resolve.js';
import { fitsWithoutLoss, lengthMax, plainTextMax, typeParts } from './types.js';

export function resolveTemplate(
  resolver: RuleResolver,
  rule: Extract<Rule, { kind: 'template' }>,
  scope: Scope,
): Node | undefined {
  const path = [...scope.path, 'template'];
  const { aim } = scope;
  const { issues } = resolver.lookup;
  const max = lengthMax(aim.type);
  if (!fitsWithoutLoss('text', aim.type) && (typeParts(aim.type).base !== 'character varying' || max === undefined)) {
    issues.add(codes.TypeMismatch, path, `a template makes text; ${aim.what} is ${aim.type}`);
    return undefined;
  }
  let longest = 0;
  const parts: TemplateNodePart[] = [];
  for (const part of rule.parts) {
    if ('text' in part) {
      longest += [...part.text].length;
      parts.push(part);
      continue;
    }
    const column = resolver.ownColumn(part.column, scope, path);
    if (column === undefined) return undefined;
    const textMax = plainTextMax(column);
    if (textMax === undefined) {
      const message = `column ${JSON.stringify(column.name)} of ${nameOf(scope.table)} is ${column.type}, whose text depends on a session's settings`;
      issues.add(codes.TypeMismatch, path, message, { help: 'use a column of another type' });
      return undefined;
    }
    longest += part.filters.reduce((length, each) => (each.filter === 'hash' ? each.digits : length), textMax);
    parts.push({ column, filters: part.filters });
  }
  if (max !== undefined && longest > max) {
    const message = `the template makes texts of ${longest === Infinity ? 'any length' : `up to ${longest} characters`}; ${aim.what} is ${aim.type}`;
    issues.add(codes.TypeMismatch, path, message, {
      help: 'shorten it, with {column|hash:8} for instance, or widen the target',
    });
    return undefined;
  }
  return { kind: 'template', parts };
}

export function resolveMap(
  resolver: RuleResolver,
  rule: Extract<Rule, { kind: 'map' }>,
  scope: Scope,
): Node | undefined {
  const { issues } = resolver.lookup;
  if (typeParts(scope.aim.type).array) {
    issues.add(
      codes.TypeMismatch,
      [...scope.path, 'map'],
      `a map gives no arrays; ${scope.aim.what} is ${scope.aim.type}`,
    );
    return undefined;
  }
  const fit = rule.values.map(({ from, to }) =>
    resolver.fitsLength(to, scope.aim.type, [...scope.path, 'values', from]),
  );
  const of = resolver.resolve(rule.of, { ...scope, path: [...scope.path, 'map'], aim: textAim('the input of map') });
  return of === undefined || fit.includes(false) ? undefined : { kind: 'map', of, values: rule.values };
}
