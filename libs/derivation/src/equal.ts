import type { CatalogColumn } from './catalog.js';

export type Operand = Pick<CatalogColumn, 'collation' | 'equality'> & { readonly ident: string };

/** `own` is a column of `alias`, or an expression when there is no alias. The parent's key decides operator and collation, as in the server's own foreign key check, and so its index serves. */
export function equal(keyAlias: string, key: Operand, alias: string | undefined, own: Operand): string {
  const differs = key.collation !== undefined && own.collation !== undefined && key.collation !== own.collation;
  const read = alias === undefined ? own.ident : `${alias}.${own.ident}`;
  const value = `${read}${differs ? ` collate ${key.collation}` : ''}`;
  return `${keyAlias}.${key.ident} ${key.equality ?? 'OPERATOR(pg_catalog.=)'} ${value}`;
}

/** Whether it is among the keys that a statement of one column gives: NULL where it is NULL. The server hashes them where there are not too many. */
export function equalAny(alias: string, own: Operand, key: Operand, keys: string): string {
  const differs = key.collation !== undefined && own.collation !== undefined && key.collation !== own.collation;
  const value = `${alias}.${own.ident}${differs ? ` collate ${key.collation}` : ''}`;
  return `${value} ${key.equality ?? 'OPERATOR(pg_catalog.=)'} any (${keys})`;
}
