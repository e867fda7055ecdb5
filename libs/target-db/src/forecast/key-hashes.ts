/** 8 bytes each: what one unique index of a table may cost in memory while it is looked at is 160 MB. */
export const hashesMax = 20_000_000;

/** 64-bit hashes of the keys of a unique index, as the server sends them: eight bytes each, one behind the other. */
export class KeyHashes {
  #hashes = new BigInt64Array(1_024);
  #count = 0;

  /** @returns false when there is no room any more. */
  add(bytes: Buffer | null): boolean {
    if (bytes === null) return true;
    const more = Math.floor(bytes.length / 8);
    if (this.#count + more > hashesMax) return false;
    if (this.#count + more > this.#hashes.length) {
      const larger = new BigInt64Array(Math.min(hashesMax, Math.max(this.#hashes.length * 2, this.#count + more)));
      larger.set(this.#hashes.subarray(0, this.#count));
      this.#hashes = larger;
    }
    for (let i = 0; i < more; i += 1) this.#hashes[this.#count + i] = bytes.readBigInt64BE(i * 8);
    this.#count += more;
    return true;
  }

  sorted(): BigInt64Array {
    return this.#hashes.subarray(0, this.#count).sort();
  }
}

export interface CollidingKeys {
  /** Keys that more than one row would have. */
  readonly groups: number;
  /** Rows of those groups, those included that have their value already. */
  readonly rows: number;
  /** Of the rows to be filled: one of a group can be, none where a row holds the key already; the rest is refused (23505). */
  readonly refused: number;
  /** Hashes of some groups. */
  readonly examples: readonly bigint[];
}

/**
 * Groups of equal keys with a row to be filled among them. Equal hashes are taken for equal keys: among ten million keys two different ones meet with a
 * chance of one in 360,000.
 *
 * @param stored keys of rows that have their value, @param coming of rows that would get one; both sorted.
 */
export function collidingKeys(stored: BigInt64Array, coming: BigInt64Array, examplesMax: number): CollidingKeys {
  let [groups, rows, refused, at] = [0, 0, 0, 0];
  const examples: bigint[] = [];
  for (let i = 0; i < coming.length;) {
    const hash = coming[i] as bigint;
    let end = i;
    while (end < coming.length && coming[end] === hash) end += 1;
    while (at < stored.length && (stored[at] as bigint) < hash) at += 1;
    let there = 0;
    for (; at < stored.length && stored[at] === hash; at += 1) there += 1;
    const wanting = end - i;
    i = end;
    if (wanting + there < 2) continue;
    groups += 1;
    rows += wanting + there;
    refused += there > 0 ? wanting : wanting - 1;
    if (examples.length < examplesMax) examples.push(hash);
  }
  return { groups, rows, refused, examples };
}
