import type { LookupOrder, LookupRule, PlanPath } from '@highwater/plan';
import type { CatalogColumn, CatalogTable } from './catalog.js';
import { derivationCodes as codes } from './codes.js';
import { nameOf } from './issue.js';
import type { KeyPair, LookupNode, LookupNodeOrder, Node } from './node.js';
import type { RuleResolver, Scope } from './resolve.js';
import { comparable, orders } from './types.js';

export function resolveLookup(resolver: RuleResolver, rule: LookupRule, scope: Scope): Node | undefined {
  const table = resolver.lookup.table(rule.table, [...scope.path, 'lookup']);
  if (table === undefined) return undefined;
  const where = resolveWhere(resolver, rule, table, scope);
  const then = resolveThen(resolver, rule, table, scope);
  const pick = [...scope.path, 'pick'];
  const order = rule.pick === 'single' ? undefined : resolveOrder(resolver, rule.pick, table, pick);
  if (rule.pick === 'single' && scope.aim.typeOid !== 0 && !orders(withEquality(scope, then))) {
    resolver.lookup.issues.add(
      codes.NotComparable,
      pick,
      `${scope.aim.what} is ${scope.aim.type}, whose values cannot be told apart`,
      { help: 'say which row is meant: pick: { first: { by: … } }' },
    );
    return undefined;
  }
  if (where === undefined || then === undefined || (rule.pick !== 'single' && order === undefined)) return undefined;
  return { kind: 'lookup', table, ...where, then, ...(order === undefined ? {} : { order }) };
}

function resolveWhere(
  resolver: RuleResolver,
  rule: LookupRule,
  table: CatalogTable,
  scope: Scope,
): Pick<LookupNode, 'pairs' | 'constants'> | undefined {
  const pairs: KeyPair[] = [];
  const constants: { key: CatalogColumn; value: string }[] = [];
  let right = true;
  for (const condition of rule.where) {
    const path = [...scope.path, 'where', condition.theirs];
    const key = resolver.lookup.column(table, condition.theirs, path);
    const own = 'ours' in condition ? resolver.ownColumn(condition.ours, scope, path) : undefined;
    if (key === undefined || ('ours' in condition && own === undefined)) right = false;
    else if (!comparesAtAll(resolver, table, key, path)) right = false;
    else if (own !== undefined) {
      pairs.push({ own, key });
      if (comparable(own.type, key.type)) continue;
      const message = `${JSON.stringify(own.name)} is ${own.type}, ${JSON.stringify(key.name)} of ${nameOf(table)} is ${key.type}: they do not compare`;
      resolver.lookup.issues.add(codes.NotComparable, path, message);
      right = false;
    } else if ('constant' in condition) {
      constants.push({ key, value: condition.constant });
      right = resolver.fitsLength(condition.constant, key.type, path) && right;
    }
  }
  return right ? { pairs, constants } : undefined;
}

function comparesAtAll(resolver: RuleResolver, table: CatalogTable, key: CatalogColumn, path: PlanPath): boolean {
  if (!resolver.equalityKnown(table, [key], path)) return false;
  if (orders(key)) return true;
  const message = `${JSON.stringify(key.name)} of ${nameOf(table)} is ${key.type}, whose values do not compare`;
  resolver.lookup.issues.add(codes.NotComparable, path, message);
  return false;
}

function resolveThen(resolver: RuleResolver, rule: LookupRule, table: CatalogTable, scope: Scope): Node | undefined {
  const there: Scope = { ...scope, table, depth: scope.depth + 1 };
  if (rule.take !== undefined) return resolver.column(rule.take, there, [...scope.path, 'take']);
  if (rule.then !== undefined) return resolver.resolve(rule.then, { ...there, path: [...scope.path, 'then'] });
  return resolver.ownRule(table, 'lookup without take or then', scope, [...scope.path, 'lookup']);
}

function resolveOrder(
  resolver: RuleResolver,
  pick: LookupOrder,
  table: CatalogTable,
  path: PlanPath,
): LookupNodeOrder | undefined {
  const at = [...path, 'first', 'by'];
  const by = pick.by.map((name) => resolver.lookup.column(table, name, at));
  if (!by.every((column) => column !== undefined)) return undefined;
  const odd = by.find((column) => !orders(column));
  if (odd !== undefined) {
    const message = `${JSON.stringify(odd.name)} of ${nameOf(table)} is ${odd.type}, which has no order`;
    resolver.lookup.issues.add(codes.NotComparable, at, message);
    return undefined;
  }
  const keys = [table.primaryKey, ...table.uniqueKeys].map((names) => names.map((name) => table.columns.get(name)));
  const ties = keys.find((key) => key.length > 0 && key.every((column) => column?.notNull === true));
  if (ties === undefined) {
    const message = `${nameOf(table)} has no unique, not-null key, so of two rows of the same rank neither is the first`;
    resolver.lookup.issues.add(codes.NoTieBreak, at, message, { help: 'add a key, or say pick: single' });
    return undefined;
  }
  return { by, descending: pick.order === 'desc', ties: ties.filter((column) => column !== undefined) };
}

/** A target of a type that is not built in compares by the operator of the column whose values it takes. */
function withEquality(scope: Scope, then: Node | undefined): Parameters<typeof orders>[0] {
  const equality =
    scope.entry.target.column === undefined || then?.kind !== 'column' ? undefined : then.column.equality;
  return { ...scope.aim, ...(equality === undefined ? {} : { equality }) };
}
