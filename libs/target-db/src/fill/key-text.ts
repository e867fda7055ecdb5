/** One array literal per key, for `$n::text[]` whose elements are cast to `text[]` each: node-postgres cannot send ragged arrays. */
export const keyLiteral = (key: readonly string[]): string =>
  `{${key.map((part) => `"${part.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;

/** Rows of keys → one array per key column. */
export const keyColumns = (keys: readonly (readonly string[])[], width: number): string[][] =>
  Array.from({ length: width }, (_, column) => keys.map((key) => key[column] ?? ''));
