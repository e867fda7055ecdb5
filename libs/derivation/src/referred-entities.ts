import type { CatalogColumn, CatalogTable, SqlExpression } from './catalog.js';
import type { CompiledEntity, ReferredEntity } from './derivation.js';
import type { Referent } from './entity-guard.js';
import { equal } from './equal.js';

/** The entities of ours that a value leads to, each with the way back to its source. */
export function referredEntities(
  table: CatalogTable,
  target: CatalogColumn,
  referents: readonly Referent[],
  entities: readonly (CompiledEntity | undefined)[],
): ReferredEntity[] {
  return entities.flatMap((entity, entityNo): ReferredEntity[] => {
    const referent = referents.find(({ parent }) => parent.relid === entity?.table.relid);
    if (entity === undefined || referent === undefined || entity.createdBy === 'application') return [];
    const source = findSource(table, target, referent, entity);
    return [{ entityNo, entity, ...(source === undefined ? {} : { source }) }];
  });
}

function findSource(
  table: CatalogTable,
  target: CatalogColumn,
  referent: Referent,
  entity: CompiledEntity,
): ReferredEntity['source'] {
  if (entity.source.relid === table.relid) return 'row';
  const [identity, second] = entity.identity;
  if (identity?.plain === undefined || second !== undefined || identity.name !== referent.key.name) return undefined;
  const column = entity.source.columns.get(identity.plain);
  return column && (equal('r', column, undefined, { ...target, ident: 'v.value' }) as SqlExpression);
}
