import type { CatalogColumn, CatalogTable } from './catalog.js';

/** A rule with every name resolved: what is printed as SQL, and what tells the inputs. */
export type Node =
  | { readonly kind: 'column'; readonly column: CatalogColumn }
  | { readonly kind: 'follow'; readonly parent: CatalogTable; readonly pairs: readonly KeyPair[]; readonly then: Node }
  | { readonly kind: 'firstOf'; readonly nodes: readonly Node[] }
  | { readonly kind: 'constant'; readonly value: string };

/** The row's column and the parent's key column it equals. */
export interface KeyPair {
  readonly own: CatalogColumn;
  readonly key: CatalogColumn;
}

/** One row may cost so many look-ups and reads; beyond it the SQL grows out of hand. */
export const nodesMax = 200;

/**
 * Nested choices become one list, and neighbouring choices through the same foreign key one look-up:
 * `firstOf [via g then a, via g then b]` reads `g` once. Order is kept, so the value is the same.
 */
export function simplify(node: Node): Node {
  if (node.kind === 'follow') return { ...node, then: simplify(node.then) };
  if (node.kind !== 'firstOf') return node;
  const flat = node.nodes.map(simplify).flatMap((choice) => (choice.kind === 'firstOf' ? choice.nodes : [choice]));
  const merged: Node[] = [];
  for (const choice of flat) {
    const last = merged[merged.length - 1];
    if (last?.kind === 'follow' && choice.kind === 'follow' && sameLookup(last, choice)) {
      merged[merged.length - 1] = { ...last, then: simplify({ kind: 'firstOf', nodes: [last.then, choice.then] }) };
    } else merged.push(choice);
  }
  return merged.length === 1 && merged[0] !== undefined ? merged[0] : { kind: 'firstOf', nodes: merged };
}

type Follow = Extract<Node, { kind: 'follow' }>;

const sameLookup = (a: Follow, b: Follow): boolean =>
  a.parent.relid === b.parent.relid && pairsText(a) === pairsText(b);

const pairsText = (node: Follow): string =>
  JSON.stringify(node.pairs.map(({ own, key }) => [own.name, key.name]).sort());
