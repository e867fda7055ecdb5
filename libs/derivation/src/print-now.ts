import type { CatalogColumn } from './catalog.js';
import { lengthMax, typeParts, typeSql } from './types.js';

/** `2026-01-12T07:52:26.123Z` */
export const momentTextLength = 24;

/**
 * The moment of creation for a column: the transaction's, so that all entities of one transaction agree. Without a time zone it is UTC,
 * as text ISO 8601 with a Z, whatever the session's zone and DateStyle. Undefined for a column that holds no moment.
 */
export function printNow(column: CatalogColumn): string | undefined {
  const { base, array } = typeParts(column.type);
  if (array) return undefined;
  const utc = `pg_catalog.timezone('UTC', pg_catalog.now())`;
  const typed = (value: string): string => `${value}::${typeSql(column.type, column.typeOid)}`;
  if (base === 'timestamp with time zone') return typed('pg_catalog.now()');
  if (base === 'timestamp without time zone' || base === 'date') return typed(utc);
  if ((base !== 'text' && base !== 'character varying') || (lengthMax(column.type) ?? Infinity) < momentTextLength)
    return undefined;
  return typed(`pg_catalog.to_char(${utc}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`);
}
