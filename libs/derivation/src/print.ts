import { type PrintTarget, textAim } from './aim.js';
import type { CatalogColumn, CatalogTable } from './catalog.js';
import { equal, equalAny } from './equal.js';
import type { FunctionNode, KeyPair, Node } from './node.js';
import { printLookup, printLookupReason } from './print-lookup.js';
import { printMap, printTemplate } from './print-text.js';
import { quoteLiteral } from './quote.js';
import { sameType, typeSql } from './types.js';

export type { PrintTarget };

/** What a map looks up. */
export const mapped = textAim('the input of map');

/** The value as scalar SQL over the row alias; parents are aliased p1, p2, … by depth, so no two scopes meet. */
export function printValue(node: Node, alias: string, depth: number, target: PrintTarget): string {
  switch (node.kind) {
    case 'column':
      return leaf(node.column, alias, target);
    case 'constant':
      return `${quoteLiteral(node.value)}::${typeSql(target.type, target.typeOid)}`;
    case 'firstOf':
      return `coalesce(${node.nodes.map((choice) => printValue(choice, alias, depth, target)).join(', ')})`;
    case 'follow': {
      const parent = `p${depth + 1}`;
      return `(select ${printValue(node.then, parent, depth + 1, target)} ${fromParent(node.parent, parent)} where ${match(node.pairs, parent, alias)})`;
    }
    case 'lookup':
      return printLookup(node, alias, depth + 1, printValue(node.then, `p${depth + 1}`, depth + 1, target), target);
    case 'template':
      return printTemplate(node.parts, alias, target);
    case 'map':
      return printMap(node.values, printValue(node.of, alias, depth, mapped), target);
    case 'function':
      return printCall(node, alias, depth, target);
  }
}

/**
 * Why there is no value. Built so that it is NULL exactly when the value is not: the value itself is the outer condition.
 * Among several choices the first reason that is more than InputNull wins, since an empty input only says that a choice
 * does not apply to this row, while a missing parent is a fault somebody can mend.
 */
export function printReason(node: Node, alias: string, target: PrintTarget): string {
  return `(case when ${printValue(node, alias, 0, target)} is null then ${printWhy(node, alias, target)} end)`;
}

/** The reason on the condition that there is no value. */
export function printWhy(node: Node, alias: string, target: PrintTarget): string {
  const notable = printNotable(node, alias, 0, target);
  return notable === undefined ? inputNull : `coalesce(${notable}, ${inputNull})`;
}

const inputNull = "'InputNull'::pg_catalog.text";
const parentMissing = "'ParentMissing'::pg_catalog.text";

function printCall(
  { called, arguments: given }: FunctionNode,
  alias: string,
  depth: number,
  target: PrintTarget,
): string {
  const call = `${called.ident}(${given.map(({ node, aim }) => printValue(node, alias, depth, aim)).join(', ')})`;
  const typed = sameType(called.returns.type, target.type) ? call : `${call}::${typeSql(target.type, target.typeOid)}`;
  return target.collation === undefined ? typed : `(${typed} collate ${target.collation})`;
}

/** A reason other than InputNull, on the condition that the node has no value; undefined when there can be none. */
function printNotable(node: Node, alias: string, depth: number, target: PrintTarget): string | undefined {
  switch (node.kind) {
    case 'column':
    case 'constant':
    case 'template':
      return undefined;
    case 'firstOf':
      return firstReason(node.nodes.map((choice) => printNotable(choice, alias, depth, target)));
    case 'follow': {
      const parent = `p${depth + 1}`;
      const lookup = `${fromParent(node.parent, parent)} where ${match(node.pairs, parent, alias)}`;
      const inputs = node.pairs.map(({ own }) => `${alias}.${own.ident} is null`).join(' or ');
      const below = printNotable(node.then, parent, depth + 1, target);
      const otherwise = below === undefined ? '' : ` else (select ${below} ${lookup})`;
      return `case when ${inputs} then null when not exists (select ${lookup}) then ${parentMissing}${otherwise} end`;
    }
    case 'lookup': {
      const value = printValue(node.then, `p${depth + 1}`, depth + 1, target);
      const notable = printNotable(node.then, `p${depth + 1}`, depth + 1, target);
      return printLookupReason(node, alias, depth + 1, { value, notable }, target);
    }
    case 'map': {
      const below = printNotable(node.of, alias, depth, mapped);
      const value = printValue(node.of, alias, depth, mapped);
      return `case when ${value} is not null then 'NotMapped'::pg_catalog.text${below === undefined ? '' : ` else ${below}`} end`;
    }
    case 'function':
      return printCallReason(node, alias, depth);
  }
}

/** A function that was given everything and has no value has failed; else the argument it missed says why. */
function printCallReason({ arguments: given }: FunctionNode, alias: string, depth: number): string {
  const values = given.map(({ node, aim }) => `${printValue(node, alias, depth, aim)} is null`);
  const reasons = given.map(({ node, aim }, i) => {
    const notable = printNotable(node, alias, depth, aim);
    return notable === undefined ? undefined : `case when ${values[i]} then ${notable} end`;
  });
  const failed = `'FunctionFailed'::pg_catalog.text`;
  if (given.length === 0) return failed;
  return `case when ${values.join(' or ')} then ${firstReason(reasons) ?? 'null'} else ${failed} end`;
}

function firstReason(reasons: readonly (string | undefined)[]): string | undefined {
  const said = reasons.filter((text) => text !== undefined);
  return said.length <= 1 ? said[0] : `coalesce(${said.join(', ')})`;
}

/** Whether a foreign key's parent exists for the value `v.value`; a key of several columns takes the others from the row. */
export function printReferentExists(
  parent: CatalogTable,
  key: CatalogColumn,
  target: CatalogColumn,
  others: readonly KeyPair[],
): string {
  const conditions = [
    equal('f', key, 'v', { ...target, ident: 'value' }),
    ...others.map(({ own, key: other }) => equal('f', other, 'r', own)),
  ];
  const exists =
    parent.apart && others.length === 0
      ? existsApart(parent, parent.apart, key, target)
      : `exists (select ${fromParent(parent, 'f')} where ${conditions.join(' and ')})`;
  // MATCH SIMPLE: any NULL column satisfies the key.
  const nulls = others.map(({ own }) => `r.${own.ident} is null`);
  return nulls.length === 0 ? exists : `(${[...nulls, exists].join(' or ')})`;
}

function existsApart(
  parent: CatalogTable,
  { now, indexed, scanned }: NonNullable<CatalogTable['apart']>,
  key: CatalogColumn,
  target: CatalogColumn,
): string {
  const value = { ...target, ident: 'value' };
  return `(${[
    ...[now, ...indexed].map(
      (ident) => `exists (select ${fromParent({ ...parent, ident }, 'f')} where ${equal('f', key, 'v', value)})`,
    ),
    ...scanned.map((rows) => equalAny('v', value, key, `select f.${key.ident} from ${rows} as f`)),
  ].join(' or ')})`;
}

/** A foreign key refers to the table alone, never to tables that inherit from it; a partitioned table is its partitions. */
export const fromTable = (parent: CatalogTable, alias: string): string =>
  `${parent.kind === 'r' ? 'only ' : ''}${parent.ident} as ${alias}`;

const fromParent = (parent: CatalogTable, alias: string): string => `from ${fromTable(parent, alias)}`;

export const match = (pairs: readonly KeyPair[], parent: string, alias: string): string =>
  pairs.map(({ own, key }) => equal(parent, key, alias, own)).join(' and ');

function leaf(column: CatalogColumn, alias: string, target: PrintTarget): string {
  const read = `${alias}.${column.ident}`;
  const value = sameType(column.type, target.type) ? read : `${read}::${typeSql(target.type, target.typeOid)}`;
  const differs =
    target.collation !== undefined && column.collation !== undefined && target.collation !== column.collation;
  return differs ? `(${value} collate ${target.collation})` : value;
}
