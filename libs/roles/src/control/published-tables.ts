import {
  type CompiledDerivation,
  type CompiledEntity,
  type Ident,
  hasKey,
  isBuiltinColumn,
} from '@highwater/derivation';
import type { EntityTarget, FillTarget, PublishedTable } from '@highwater/target-db';

/** A table that entities are made from, with its own key. */
export type HintSource = Pick<CompiledEntity, 'source' | 'sourceKey'>;

/** Of the application's entities nobody needs to be told: they are waited for. */
export const publishedSources = (entities: readonly EntityTarget[]): HintSource[] =>
  entities.filter(({ entity }) => entity.createdBy === 'highwater').map(({ entity }) => entity);

type Entry = { ident: Ident; key: Ident[]; targets: Ident[] };

/**
 * One entry per table, whatever is wanted of it: two with different columns or filters would stop decoding for good (0A000). A source of
 * entities has no filter, also where it is a target: an application that sets the column already inserts sources all the same.
 */
export function publishedTables(targets: readonly FillTarget[], sources: readonly HintSource[]): PublishedTable[] {
  const tables = new Map<number, Entry>();
  const entryOf = (table: { relid: number; ident: Ident }, key: readonly { ident: Ident }[]): Entry => {
    const entry = tables.get(table.relid) ?? { ident: table.ident, key: [], targets: [] };
    tables.set(table.relid, entry);
    // a target's key and a source's may differ: the hints of each are made from the columns of its own
    for (const { ident } of key) if (!entry.key.includes(ident)) entry.key.push(ident);
    return entry;
  };
  // without a key there is nothing that a hint could name
  const keyed = targets.map(({ derivation }) => derivation).filter(hasKey);
  for (const { table, key, target } of keyed) entryOf(table, key).targets.push(target.ident);
  for (const derivation of keyed)
    if (!isFilterable(derivation)) entryOf(derivation.table, derivation.key).targets.length = 0;
  for (const { source, sourceKey } of sources) entryOf(source, sourceKey).targets.length = 0;
  return [...tables.values()];
}

/**
 * The server takes no filter over a column whose type or collation is not built in (0A000): an enum, a domain, a collation of one's own. A
 * filter over the other targets alone would lose the rows in which only this one is NULL.
 */
const isFilterable = ({ table, target }: CompiledDerivation): boolean => {
  const column = table.columns.get(target.name);
  return column !== undefined && isBuiltinColumn(column);
};
