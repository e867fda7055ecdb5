import type { CatalogColumn, CatalogTable, SqlExpression } from './catalog.js';
import type { RuleAsJoin } from './derivation.js';
import type { KeyPair, Node } from './node.js';
import { fromTable, match, printValue, type PrintTarget } from './print.js';
import { isBuiltinColumn } from './types.js';

/** The planner keeps the order of more joins than it was given as they are. */
const joinsMax = 6;

/**
 * The rule once more, as joins instead of look-ups row by row: a third of the time when many rows are filled at once. Printed from the same
 * tree, for the rules where it is provably the same value, else undefined:
 * - the rule begins with one `via`, so that a row without that parent has no value and is no row of the join;
 * - each parent is found by a key that can match one row only: the unique index and the comparison must mean the same by "equal",
 *   which a collation of the user's own need not (two rows for `=` may be two keys for the index);
 * - below a further `via` only columns are read: without that parent they are NULL, as the look-up would be, while a constant would not.
 * What does not qualify further down stays a look-up inside the join's value.
 */
export function printJoin(node: Node, target: PrintTarget): RuleAsJoin | undefined {
  if (node.kind !== 'follow' || !findsOneRow(node.pairs)) return undefined;
  const joined: { table: CatalogTable; on: string }[] = [];
  const value = (of: Node, alias: string): string => {
    if (of.kind === 'firstOf') return `coalesce(${of.nodes.map((choice) => value(choice, alias)).join(', ')})`;
    const joins = of.kind === 'follow' && joined.length < joinsMax && findsOneRow(of.pairs) && readsColumnsOnly(of);
    if (!joins) return printValue(of, alias, 0, target);
    const parent = `j${joined.length + 2}`;
    joined.push({ table: of.parent, on: match(of.pairs, parent, alias) });
    return value(of.then, parent);
  };
  const text = value(node.then, 'j1');
  const from = joined.map(({ table, on }, i) => ` left join ${fromTable(table, `j${i + 2}`)} on ${on}`);
  return {
    from: `${fromTable(node.parent, 'j1')}${from.join('')}` as SqlExpression,
    on: match(node.pairs, 'j1', 'r') as SqlExpression,
    value: text as SqlExpression,
  };
}

const findsOneRow = (pairs: readonly KeyPair[]): boolean => pairs.every(({ key }) => comparesAsIndexed(key));

/** The server's own collations are deterministic: equal text is the same text, whatever the index sorts by. */
export const comparesAsIndexed = (key: CatalogColumn): boolean => isBuiltinColumn(key);

/** What reads nothing but columns of a parent that is not there is NULL. */
function readsColumnsOnly(node: Node): boolean {
  if (node.kind === 'firstOf') return node.nodes.every(readsColumnsOnly);
  if (node.kind === 'follow') return readsColumnsOnly(node.then);
  return node.kind === 'column';
}
