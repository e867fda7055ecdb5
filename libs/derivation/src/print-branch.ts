import type { SqlExpression } from './catalog.js';
import type { LookupNode, Node, TemplateNodePart } from './node.js';
import { fromTable, mapped, match, printValue, type PrintTarget } from './print.js';

/** Which way through a rule gave the value. */
export interface RuleBranches {
  /** int4 over the row alias `r`: the place in `labels`; NULL exactly when the rule has no value. */
  readonly expression: SqlExpression;
  /** For people, by number: `firstOf[0] via groupId → workspaceId`. Never a value of a row. */
  readonly labels: readonly string[];
}

/**
 * Printed from the rule as the plan wrote it: once neighbouring choices were made one look-up, nobody could tell which of them it was. Costs
 * every choice twice, so only the forecast asks.
 *
 * @param value the rule's value as it is written, when more is asked of it than the rule gives
 */
export function printBranches(
  node: Node,
  target: PrintTarget,
  value: string = printValue(node, 'r', 0, target),
): RuleBranches {
  const labels: string[] = [];
  const text = branchOf({ node, alias: 'r', depth: 0, target, way: '' }, labels);
  const known = `case when ${value} is not null then ${text} end`;
  return { expression: known as SqlExpression, labels };
}

interface Place {
  readonly node: Node;
  readonly alias: string;
  readonly depth: number;
  readonly target: PrintTarget;
  /** How one got here, ready to be gone on with. */
  readonly way: string;
}

/** On the condition that the node has a value. */
function branchOf(place: Place, labels: string[]): string {
  const { node, alias, depth, target, way } = place;
  if (!hasChoice(node)) {
    labels.push(`${way}${describe(node)}`);
    return String(labels.length - 1);
  }
  switch (node.kind) {
    case 'firstOf': {
      const whens = node.nodes.map(
        (choice, i) =>
          `when ${printValue(choice, alias, depth, target)} is not null then ${branchOf({ ...place, node: choice, way: `${way}firstOf[${i}] ` }, labels)}`,
      );
      return `case ${whens.join(' ')} end`;
    }
    case 'follow': {
      const parent = `p${depth + 1}`;
      const below = { node: node.then, alias: parent, depth: depth + 1, target, way: `${way}${via(node)}` };
      return `(select ${branchOf(below, labels)} from ${fromTable(node.parent, parent)} where ${match(node.pairs, parent, alias)})`;
    }
    default:
      return branchOf({ ...place, node: node.of, target: mapped, way: `${way}map of ` }, labels);
  }
}

type Choosing = Extract<Node, { kind: 'firstOf' | 'follow' | 'map' }>;

/** Of a look-up's rows, and of a function's arguments, no single one gave the value. */
function hasChoice(node: Node): node is Choosing {
  if (node.kind === 'follow') return hasChoice(node.then);
  if (node.kind === 'map') return hasChoice(node.of);
  return node.kind === 'firstOf';
}

const via = (node: Extract<Node, { kind: 'follow' }>): string =>
  `via ${node.pairs.map(({ own }) => own.name).join(', ')} → `;

function describe(node: Node): string {
  switch (node.kind) {
    case 'column':
      return node.column.name;
    case 'constant':
      return `constant ${JSON.stringify(node.value)}`;
    case 'follow':
      return `${via(node)}${describe(node.then)}`;
    case 'firstOf':
      return `first of ${node.nodes.map(describe).join(', ')}`;
    case 'lookup':
      return describeLookup(node);
    case 'template':
      return `template ${JSON.stringify(node.parts.map(describePart).join(''))}`;
    case 'map':
      return `map of ${describe(node.of)}`;
    case 'function':
      return `${node.called.schema}.${node.called.name}(${node.arguments.map((each) => describe(each.node)).join(', ')})`;
  }
}

function describeLookup({ table, pairs, constants, then }: LookupNode): string {
  const by = [...pairs, ...constants].map(({ key }) => key.name).join(', ');
  return `lookup ${table.name} by ${by} → ${describe(then)}`;
}

const describePart = (part: TemplateNodePart): string =>
  'text' in part
    ? part.text
    : `{${[part.column.name, ...part.filters.map((each) => (each.filter === 'before' ? `before:${each.text}` : `hash:${each.digits}`))].join('|')}}`;
