import type { PrintTarget } from './aim.js';
import type { CatalogColumn, CatalogFunction, CatalogTable } from './catalog.js';

/** A rule with every name resolved: what is printed as SQL, and what tells the inputs. */
export type Node =
  | { readonly kind: 'column'; readonly column: CatalogColumn }
  | { readonly kind: 'follow'; readonly parent: CatalogTable; readonly pairs: readonly KeyPair[]; readonly then: Node }
  | { readonly kind: 'firstOf'; readonly nodes: readonly Node[] }
  | { readonly kind: 'constant'; readonly value: string }
  | LookupNode
  | { readonly kind: 'template'; readonly parts: readonly TemplateNodePart[] }
  | {
      readonly kind: 'map';
      readonly of: Node;
      readonly values: readonly { readonly from: string; readonly to: string }[];
    }
  | FunctionNode;

/** The row's column and the parent's key column it equals. */
export interface KeyPair {
  readonly own: CatalogColumn;
  readonly key: CatalogColumn;
}

export interface LookupNode {
  readonly kind: 'lookup';
  readonly table: CatalogTable;
  readonly pairs: readonly KeyPair[];
  readonly constants: readonly { readonly key: CatalogColumn; readonly value: string }[];
  readonly then: Node;
  /** Undefined: the rows must agree on one value. */
  readonly order?: LookupNodeOrder;
}

export interface LookupNodeOrder {
  readonly by: readonly CatalogColumn[];
  readonly descending: boolean;
  /** A unique key of the table: two rows of the same rank are always told apart the same way. */
  readonly ties: readonly CatalogColumn[];
}

export type TemplateNodePart =
  { readonly text: string } | { readonly column: CatalogColumn; readonly filters: readonly TextFilter[] };

export type TextFilter =
  { readonly filter: 'before'; readonly text: string } | { readonly filter: 'hash'; readonly digits: number };

export interface FunctionNode {
  readonly kind: 'function';
  readonly called: CatalogFunction;
  readonly arguments: readonly { readonly node: Node; readonly aim: PrintTarget }[];
  readonly reads: readonly { readonly table: CatalogTable; readonly columns: readonly CatalogColumn[] }[];
}

/** One row may cost so many look-ups and reads; beyond it the SQL grows out of hand. */
export const nodesMax = 200;

/**
 * Nested choices become one list, and neighbouring choices through the same foreign key one look-up:
 * `firstOf [via g then a, via g then b]` reads `g` once. Order is kept, so the value is the same. Not so for `lookup`: whether
 * its rows agree is asked of each choice alone.
 */
export function simplify(node: Node): Node {
  switch (node.kind) {
    case 'follow':
    case 'lookup':
      return { ...node, then: simplify(node.then) };
    case 'map':
      return { ...node, of: simplify(node.of) };
    case 'function':
      return { ...node, arguments: node.arguments.map(({ node: each, aim }) => ({ node: simplify(each), aim })) };
    case 'column':
    case 'constant':
    case 'template':
      return node;
    case 'firstOf': {
      const choices = mergeFollows(
        node.nodes.map(simplify).flatMap((choice) => (choice.kind === 'firstOf' ? choice.nodes : [choice])),
      );
      return choices.length === 1 && choices[0] !== undefined ? choices[0] : { kind: 'firstOf', nodes: choices };
    }
  }
}

function mergeFollows(choices: readonly Node[]): Node[] {
  const merged: Node[] = [];
  for (const choice of choices) {
    const last = merged[merged.length - 1];
    if (last?.kind === 'follow' && choice.kind === 'follow' && sameLookup(last, choice)) {
      merged[merged.length - 1] = { ...last, then: simplify({ kind: 'firstOf', nodes: [last.then, choice.then] }) };
    } else merged.push(choice);
  }
  return merged;
}

type Follow = Extract<Node, { kind: 'follow' }>;

const sameLookup = (a: Follow, b: Follow): boolean =>
  a.parent.relid === b.parent.relid && pairsText(a) === pairsText(b);

const pairsText = (node: Follow): string =>
  JSON.stringify(node.pairs.map(({ own, key }) => [own.name, key.name]).sort());
