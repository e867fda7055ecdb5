import { describe, expect, it } from 'vitest';
import { KeyHashes, collidingKeys } from './key-hashes.js';

function hashes(...of: bigint[]): BigInt64Array {
  const made = new KeyHashes();
  for (const one of of) {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(one);
    expect(made.add(bytes)).toBe(true);
  }
  expect(made.add(null)).toBe(true);
  return made.sorted();
}

describe('keys that would be there twice', () => {
  it.each([
    ['none', [1n, 2n], [3n, 4n], { groups: 0, rows: 0, refused: 0, examples: [] }],
    ['one of several can be filled', [], [5n, -5n, 5n, 5n], { groups: 1, rows: 3, refused: 2, examples: [5n] }],
    ['none where the key is taken', [-9n, 5n], [5n, -9n, -9n], { groups: 2, rows: 5, refused: 3, examples: [-9n, 5n] }],
    [
      'rows that have it already are their own affair',
      [7n, 7n],
      [8n],
      { groups: 0, rows: 0, refused: 0, examples: [] },
    ],
  ])('%s', (_what, stored, coming, expected) => {
    expect(collidingKeys(hashes(...stored), hashes(...coming), 5)).toEqual(expected);
  });

  it('keeps all of many, and shows some', () => {
    const many = hashes(...Array.from({ length: 3_000 }, (_, i) => BigInt(i % 1_500)));
    expect(many).toHaveLength(3_000);
    expect(collidingKeys(hashes(), many, 2)).toEqual({
      groups: 1_500,
      rows: 3_000,
      refused: 1_500,
      examples: [0n, 1n],
    });
  });
});
