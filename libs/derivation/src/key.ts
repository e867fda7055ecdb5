import { type PlanPath, sameColumnSet } from '@highwater/plan';
import type { CatalogTable } from './catalog.js';
import { derivationCodes as codes } from './codes.js';
import { type KeyColumn, placeOfRow } from './derivation.js';
import { nameOf } from './issue.js';
import type { Lookup } from './lookup.js';

/** Unique column sets in which no column may be NULL. */
const usableKeys = (table: CatalogTable): (readonly string[])[] =>
  table.uniqueKeys.filter((unique) => unique.every((name) => table.columns.get(name)?.notNull === true));

/**
 * The key by which rows of a planned table are told apart: the plan's, else the primary key. An ordinary table without any key is told
 * apart by where its rows lie, which is enough for a fill without hints.
 */
export function compileKey(
  planned: readonly string[] | undefined,
  table: CatalogTable,
  path: PlanPath,
  lookup: Lookup,
): KeyColumn[] | undefined {
  const names = planned ?? table.primaryKey;
  const candidates = usableKeys(table).map((unique) => `key: [${unique.join(', ')}]`);
  const wayOut =
    candidates.length > 0
      ? `say ${candidates.join(' or ')}`
      : 'add a primary key, or a unique index over not-null columns and name them with key:';
  if (names.length === 0) {
    const without = reasonAgainstPlace(table, candidates, lookup);
    if (without === undefined) return [placeOfRow];
    lookup.issues.add(
      codes.NoKey,
      path,
      `table ${nameOf(table)} has no primary key and the plan names no key${without}`,
      {
        help: wayOut,
      },
    );
    return undefined;
  }
  const columns = names.map((name) => lookup.column(table, name, path));
  if (!columns.every((column) => column !== undefined)) return undefined;
  const nullable = columns.filter((column) => !column.notNull).map((column) => column.name);
  const unique = table.uniqueKeys.some((each) => sameColumnSet(each, names));
  if (!unique || nullable.length > 0) {
    const why = unique
      ? `may be NULL in ${nullable.join(', ')}`
      : 'has no valid, unconditional, immediate unique index';
    lookup.issues.add(codes.KeyNotUnique, path, `key (${names.join(', ')}) of ${nameOf(table)} ${why}`, {
      help: wayOut,
    });
    return undefined;
  }
  return columns.map(({ name, ident, type }) => ({ name, ident, type }));
}

/** Why the rows of a table without a primary key may not be told apart by where they lie; undefined: they may. */
function reasonAgainstPlace(table: CatalogTable, candidates: readonly string[], lookup: Lookup): string | undefined {
  // with one the stream can tell what was inserted, so it is not given up in silence
  if (candidates.length > 0) return '';
  if (table.kind === 'p') return '; a partitioned table is not swept by blocks, of which each partition has its own';
  if (lookup.plan.journal)
    return '; the journal remembers rows by their key, and where a row lies changes when it is updated';
  return undefined;
}

/** The key of an entity's source: its primary key, else any other by which rows can be told apart. */
export function compileSourceKey(table: CatalogTable, path: PlanPath, lookup: Lookup): KeyColumn[] | undefined {
  const names = table.primaryKey.length > 0 ? table.primaryKey : usableKeys(table)[0];
  if (names === undefined) {
    const message = `table ${nameOf(table)} has no key, so entities cannot be made from it page by page`;
    lookup.issues.add(codes.NoKey, path, message, {
      help: 'add a primary key, or a unique index over not-null columns',
    });
    return undefined;
  }
  return names.flatMap((name) => {
    const column = table.columns.get(name);
    return column === undefined ? [] : [{ name, ident: column.ident, type: column.type }];
  });
}
