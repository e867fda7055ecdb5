/**
 * Partition of a row's hints: FNV-1a over the table and the key's text, so that repeated hints for one key meet in one batch.
 * Nothing depends on it for correctness: a hint in another partition is only looked at by another filler.
 */
export function partitionOf(table: readonly [string, string], key: readonly string[], partitions: number): number {
  let hash = 0x811c9dc5;
  for (const text of [...table, ...key]) {
    for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ 0xff, 0x01000193); // so that ['a','bc'] and ['ab','c'] differ
  }
  return (hash >>> 0) % partitions;
}
