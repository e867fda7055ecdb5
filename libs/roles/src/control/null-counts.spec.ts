import { expect, it } from 'vitest';
import { countedOf, nullCounts } from './null-counts.js';

const target = {
  columnExists: true,
  notNull: false,
  checkExists: false,
  checkValidated: false,
  checkIsOurs: false,
  bridgeInstalled: true,
  nullIndexValid: true,
};
const enforced = { ...target, notNull: true, nullIndexValid: false };
const noIndex = { ...target, nullIndexValid: false };

it('an enforced target has none, and the others what was counted, in their order', () => {
  const counts = nullCounts([target, enforced, target], [3n, 4n]);
  expect(counts).toEqual({ indexed: true, byTarget: [3, 0, 4], total: 7, guarded: false });
});

it('a target whose index is not there is not counted, and nothing is known of all together', () => {
  expect(nullCounts([target, noIndex], [3n])).toMatchObject({ indexed: false, byTarget: [3, null], total: null });
  expect(nullCounts([], [])).toMatchObject({ indexed: false, total: null });
});

it('one that was not counted in time takes no index to be built again, and its rows are not none', () => {
  const counts = nullCounts([target, target, target], [3n, null, 4n]);
  expect(counts).toMatchObject({ indexed: true, byTarget: [3, null, 4], total: null });
});

it('readiness is told of those alone that were counted', () => {
  const targets = ['a', 'b', 'c'].map((table) => ({ table, target: 'org' }));
  const counts = nullCounts([target, target, enforced], [null, 3n]);
  expect(countedOf(counts, targets)).toEqual([
    { targetNo: 1, table: 'b', target: 'org', count: 3 },
    { targetNo: 2, table: 'c', target: 'org', count: 0 },
  ]);
});

it('a check of ours on one target is told', () => {
  const guarded = { ...target, checkExists: true, checkIsOurs: true };
  expect(nullCounts([enforced, guarded], [0n]).guarded).toBe(true);
});
