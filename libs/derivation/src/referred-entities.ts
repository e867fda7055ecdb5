import type { CatalogColumn, CatalogTable, SqlExpression } from './catalog.js';
import type { CompiledEntity, ReferredEntity } from './derivation.js';
import type { Referent } from './entity-guard.js';
import { equal } from './equal.js';

/** Where the value leads: from a row of this table, to a row of which one column is the value. */
interface Way {
  readonly table: CatalogTable;
  readonly target: CatalogColumn;
  readonly entities: readonly (CompiledEntity | undefined)[];
}

/**
 * The entities of ours that a value leads to, each with the way back to its source. One that is made from an earlier entity comes behind that one:
 * in the transaction that brings the first source nobody else has made it yet.
 */
export function referredEntities(
  table: CatalogTable,
  target: CatalogColumn,
  referents: readonly Referent[],
  entities: readonly (CompiledEntity | undefined)[],
): ReferredEntity[] {
  const way = { table, target, entities };
  const found = new Map<number, ReferredEntity>();
  entities.forEach((entity, entityNo) => {
    const referent = referents.find(({ parent }) => parent.relid === entity?.table.relid);
    if (entity === undefined || referent === undefined) return;
    for (const each of withEarlier(way, entity, entityNo, referent.key.name))
      if (found.get(each.entityNo)?.source === undefined) found.set(each.entityNo, each);
  });
  return [...found.values()].sort((a, b) => a.entityNo - b.entityNo);
}

/** `named`: the column of the entity's table that the value is. */
function withEarlier(way: Way, entity: CompiledEntity, entityNo: number, named: string): ReferredEntity[] {
  if (entity.createdBy === 'application') return [];
  const source = findSource(way, entity, named);
  const by = entity.identity[0]?.plain;
  const itself = { entityNo, entity, ...(source === undefined ? {} : { source }) };
  if (source === undefined || source === 'row' || by === undefined) return [itself];
  const earlier = way.entities.flatMap((other, no) =>
    other !== undefined && no < entityNo && other.table.relid === entity.source.relid
      ? withEarlier(way, other, no, by)
      : [],
  );
  return [...earlier, itself];
}

function findSource({ table, target }: Way, entity: CompiledEntity, named: string): ReferredEntity['source'] {
  if (entity.source.relid === table.relid) return 'row';
  const [identity, second] = entity.identity;
  if (identity?.plain === undefined || second !== undefined || identity.name !== named) return undefined;
  const column = entity.source.columns.get(identity.plain);
  return column && (equal('r', column, undefined, { ...target, ident: 'v.value' }) as SqlExpression);
}
