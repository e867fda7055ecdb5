import type { CatalogColumn, CatalogTable } from './catalog.js';
import type { KeyPair, Node } from './node.js';
import { quoteLiteral } from './quote.js';
import { sameType, typeSql } from './types.js';

/** What every leaf is turned into: the target's type and collation. */
export type PrintTarget = Pick<CatalogColumn, 'type' | 'typeOid' | 'collation'>;

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
  }
}

/**
 * Why there is no value. Built so that it is NULL exactly when the value is not: the value itself is the outer condition.
 * Among several choices the first reason that is more than InputNull wins, since an empty input only says that a choice
 * does not apply to this row, while a missing parent is a fault somebody can mend.
 */
export function printReason(node: Node, alias: string, target: PrintTarget): string {
  const notable = printNotable(node, alias, 0, target);
  const why = notable === undefined ? inputNull : `coalesce(${notable}, ${inputNull})`;
  return `(case when ${printValue(node, alias, 0, target)} is null then ${why} end)`;
}

const inputNull = "'InputNull'::pg_catalog.text";
const parentMissing = "'ParentMissing'::pg_catalog.text";

/** A reason other than InputNull, on the condition that the node has no value; undefined when there can be none. */
function printNotable(node: Node, alias: string, depth: number, target: PrintTarget): string | undefined {
  if (node.kind === 'column' || node.kind === 'constant') return undefined;
  if (node.kind === 'firstOf') {
    const notables = node.nodes
      .map((choice) => printNotable(choice, alias, depth, target))
      .filter((text) => text !== undefined);
    if (notables.length <= 1) return notables[0];
    return `coalesce(${notables.join(', ')})`;
  }
  const parent = `p${depth + 1}`;
  const lookup = `${fromParent(node.parent, parent)} where ${match(node.pairs, parent, alias)}`;
  const inputs = node.pairs.map(({ own }) => `${alias}.${own.ident} is null`).join(' or ');
  const below = printNotable(node.then, parent, depth + 1, target);
  const otherwise = below === undefined ? '' : ` else (select ${below} ${lookup})`;
  return `case when ${inputs} then null when not exists (select ${lookup}) then ${parentMissing}${otherwise} end`;
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
  const exists = `exists (select ${fromParent(parent, 'f')} where ${conditions.join(' and ')})`;
  // MATCH SIMPLE: any NULL column satisfies the key.
  const nulls = others.map(({ own }) => `r.${own.ident} is null`);
  return nulls.length === 0 ? exists : `(${[...nulls, exists].join(' or ')})`;
}

/** A foreign key refers to the table alone, never to tables that inherit from it; a partitioned table is its partitions. */
export const fromTable = (parent: CatalogTable, alias: string): string =>
  `${parent.kind === 'r' ? 'only ' : ''}${parent.ident} as ${alias}`;

const fromParent = (parent: CatalogTable, alias: string): string => `from ${fromTable(parent, alias)}`;

export const match = (pairs: readonly KeyPair[], parent: string, alias: string): string =>
  pairs.map(({ own, key }) => equal(parent, key, alias, own)).join(' and ');

type Operand = Pick<CatalogColumn, 'collation' | 'equality'> & { readonly ident: string };

/** The parent's key decides operator and collation, as in the server's own foreign key check, and so its index serves. */
function equal(keyAlias: string, key: Operand, alias: string, own: Operand): string {
  const differs = key.collation !== undefined && own.collation !== undefined && key.collation !== own.collation;
  const value = `${alias}.${own.ident}${differs ? ` collate ${key.collation}` : ''}`;
  return `${keyAlias}.${key.ident} ${key.equality ?? 'OPERATOR(pg_catalog.=)'} ${value}`;
}

export function leaf(column: CatalogColumn, alias: string, target: PrintTarget): string {
  const read = `${alias}.${column.ident}`;
  const value = sameType(column.type, target.type) ? read : `${read}::${typeSql(target.type, target.typeOid)}`;
  const differs =
    target.collation !== undefined && column.collation !== undefined && target.collation !== column.collation;
  return differs ? `(${value} collate ${target.collation})` : value;
}
