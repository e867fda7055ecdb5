/**
 * Partition of a row's hints: FNV-1a over the table and the key's text, so that repeated hints for one key meet in one batch.
 * Nothing depends on it for correctness: a hint in another partition is only looked at by another filler.
 */
export function partitionOf(table: readonly [string, string], key: readonly string[], partitions: number): number {
  return partitionsOfTable(table, partitions)(key);
}

/** The same for many keys of one table. */
export function partitionsOfTable(
  table: readonly [string, string],
  partitions: number,
): (key: readonly string[]) => number {
  const ofTable = hashed(0x811c9dc5, table);
  return (key) => (hashed(ofTable, key) >>> 0) % partitions;
}

function hashed(hash: number, texts: readonly string[]): number {
  for (const text of texts) {
    for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ 0xff, 0x01000193); // so that ['a','bc'] and ['ab','c'] differ
  }
  return hash;
}
