import { Buffer } from 'node:buffer';
import { describe, expect, it } from 'vitest';
import { cursorOf, cutPage, placeOf, type Place } from './cursor.js';

describe('cursor', () => {
  it.each<Place>([
    { list: 'mismatches', number: 0, at: [['a', 'b"}\\']] },
    { list: 'collisions', number: -3, at: ['an index', ['ü,1']] },
  ])('comes back as the place it was made of: %j', (place) => {
    const cursor = cursorOf(place);
    expect(cursor).toMatch(/^[\w-]+$/);
    expect(placeOf(cursor)).toEqual(place);
  });

  it.each([
    ['', 'nothing'],
    ['%%%', 'no base64url'],
    [Buffer.from('{}').toString('base64url'), 'no list'],
    ...[
      ['mismatches', 0],
      ['mismatches', 0, 7],
      ['mismatches', 1e12, ['a']],
      ['mismatches', 0.5, ['a']],
      ['mismatches', 0, ['a\0']],
      ['mismatches', 0, 'a\0'],
      ['mismatches', 0, [['a']]],
      [1, 0, ['a']],
    ].map((parts) => [Buffer.from(JSON.stringify(parts)).toString('base64url'), JSON.stringify(parts)]),
  ] as [string, string][])('%s (%s) is refused before it gets near a statement', (cursor) => {
    expect(() => placeOf(cursor)).toThrow(expect.objectContaining({ code: 'HW6023' }));
  });
});

it.each([
  [[], 2, [], null],
  [['a'], 2, ['a'], null],
  [['a', 'b'], 2, ['a', 'b'], null],
  [['a', 'b', 'c'], 2, ['a', 'b'], 'b'],
])('of %j, read for a page of %i, %j are shown and the next page begins behind %j', (read, limit, shown, behind) => {
  const place = (key: string): Place => ({ list: 'rows', number: 0, at: [[key]] });
  expect(cutPage(read, limit, place)).toEqual({
    rows: shown,
    nextCursor: behind === null ? null : cursorOf(place(behind)),
  });
});
