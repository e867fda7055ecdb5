import type { CatalogColumn, CatalogTable, SqlExpression } from './catalog.js';
import type { CompiledDerivation, RuleAsJoin } from './derivation.js';
import { equal } from './equal.js';
import { comparesAsIndexed, printJoin } from './join.js';
import type { KeyPair, Node } from './node.js';
import { fromTable, printReason, printReferentExists, printValue, printWhy } from './print.js';

/** A foreign key of the target: where a value must lead. */
export interface Referent {
  readonly parent: CatalogTable;
  readonly key: CatalogColumn;
  /** The other columns of a composite key, taken from the row. */
  readonly others: readonly KeyPair[];
}

type PrintedRule = Pick<CompiledDerivation, 'expression' | 'reason' | 'join'>;

/**
 * A rule's value, and only where the entities it leads to exist: a value written before its entity would be refused by the foreign key, or
 * wait for it as an orphan where none is declared yet. Part of the one expression, so that fill, bridge and verification agree on
 * what is missing. Not part of the rule itself: a child that takes the rule asks for its own referents.
 */
export function printGuarded(node: Node, target: CatalogColumn, entities: readonly Referent[]): PrintedRule {
  const value = printValue(node, 'r', 0, target);
  const join = printJoin(node, target);
  if (entities.length === 0)
    return {
      expression: value as SqlExpression,
      reason: printReason(node, 'r', target) as SqlExpression,
      ...(join === undefined ? {} : { join }),
    };
  const exist = [...new Set(entities.map((each) => printReferent(each, target)))].join(' and ');
  // OFFSET 0: the value is worked out once, not once more for each look-up
  const derived = `from (select ${value} as value offset 0) as v`;
  const guardedJoin = joinEntity(node, value, join, target, entities);
  return {
    expression: `(select v.value ${derived} where ${exist})` as SqlExpression,
    reason:
      `(select case when v.value is null then ${printWhy(node, 'r', target)} when not (${exist}) then 'EntityMissing'::pg_catalog.text end ${derived})` as SqlExpression,
    ...(guardedJoin === undefined ? {} : { join: guardedJoin }),
  };
}

export const printReferent = ({ parent, key, others }: Referent, target: CatalogColumn): string =>
  printReferentExists(parent, key, target, others);

/** One entity more to join, found by a key of which there can be one row only. */
function joinEntity(
  node: Node,
  value: string,
  join: RuleAsJoin | undefined,
  target: CatalogColumn,
  entities: readonly Referent[],
): RuleAsJoin | undefined {
  const [entity, second] = entities;
  if (entity === undefined || second !== undefined || entity.others.length > 0) return undefined;
  if (!comparesAsIndexed(entity.key) || (join === undefined && node.kind !== 'column')) return undefined;
  const taken = join?.value ?? value;
  const on = equal('e', entity.key, undefined, { ...target, ident: taken });
  const from = fromTable(entity.parent, 'e');
  return {
    from: (join === undefined ? from : `${join.from}, ${from}`) as SqlExpression,
    on: (join === undefined ? on : `${join.on} and ${on}`) as SqlExpression,
    value: taken as SqlExpression,
  };
}
