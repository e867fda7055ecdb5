import { describe, expect, it } from 'vitest';
import type { StoredOperation } from '@highwater/target-db';
import { judged } from './acts/bridge-unused.js';
import { finishAsked, finishWords } from './finish-asked.js';

const day = 86_400_000;
const operation = (request: StoredOperation['request'], more: Partial<StoredOperation> = {}): StoredOperation =>
  ({ verb: 'finish', result: null, ...more, request }) as StoredOperation;

it.each([
  ['asked for plainly', [{}], { bridgeUnused: false }],
  ['with patience', [{ afterMs: day }], { bridgeUnused: false, afterMs: day }],
  ['with the word that nobody needs it', [{ bridgeUnused: true }], { bridgeUnused: true }],
  ['plainly after that word', [{ bridgeUnused: true }, {}], { bridgeUnused: true }],
  ['plainly after patience', [{ afterMs: day }, {}], { bridgeUnused: false, afterMs: day }],
  ['with another patience', [{ afterMs: day }, { afterMs: 1_000 }], { bridgeUnused: false, afterMs: 1_000 }],
  ['with the word after patience', [{ afterMs: day }, { bridgeUnused: true }], { bridgeUnused: true, afterMs: day }],
  ['with patience after the word', [{ bridgeUnused: true }, { afterMs: day }], { bridgeUnused: false, afterMs: day }],
  ['with the word taken back', [{ bridgeUnused: true }, { bridgeUnused: false }], { bridgeUnused: false }],
  ['with both at once', [{ afterMs: day, bridgeUnused: true }, {}], { bridgeUnused: true, afterMs: day }],
])('a finish %s', (_how, requests, words) => {
  expect(finishWords([operation({ bridgeUnused: true }, { verb: 'halt' }), ...requests.map((one) => operation(one))])).toEqual(words);
}); // prettier-ignore

describe('of several', () => {
  const first = operation({}, { id: 'first' });
  const last = operation({}, { id: 'last' });

  it('the last is carried out', () => {
    expect(finishAsked([first, last])).toBe(last);
    expect(finishAsked([operation({}, { verb: 'halt' })])).toBeUndefined();
  });

  it('the one that has begun to take things away goes on', () => {
    const begun = { ...first, result: judged };
    expect(finishAsked([begun, last])).toBe(begun);
  });
});
