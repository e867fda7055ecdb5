import { expect, it } from 'vitest';
import { Reconciles } from './reconciles.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Each reconcile ends when it is told to, and with what it failed of. */
function controlled() {
  const begun: string[] = [];
  const ends = new Map<string, (failure: string | Promise<never> | null) => void>();
  const reconcile = ({ id, row }: { id: string; row: number }): Promise<string | null> => {
    begun.push(`${id}${row}`);
    return new Promise((resolve) => ends.set(id, resolve));
  };
  const end = async (id: string, failure: string | Error | null): Promise<void> => {
    ends.get(id)?.(failure instanceof Error ? Promise.reject(failure) : failure);
    await turn();
  };
  return { begun, reconcile, end };
}
const rows = (row: number, ...ids: string[]): { id: string; row: number }[] => ids.map((id) => ({ id, row }));

it('a migration whose reconcile takes its time delays no other, and has one under way', async () => {
  const { begun, reconcile, end } = controlled();
  const reconciles = new Reconciles();
  reconciles.begin(rows(1, 'slow', 'quick'), reconcile);
  await end('quick', null);
  reconciles.begin(rows(2, 'slow', 'quick', 'new'), reconcile);
  expect(begun).toEqual(['slow1', 'quick1', 'quick2', 'new2']);
  await end('slow', null);
  reconciles.begin(rows(3, 'slow', 'quick', 'new'), reconcile);
  expect(begun.slice(4)).toEqual(['slow3']);
});

it('what one failed of stays until its next one has ended', async () => {
  const { reconcile, end } = controlled();
  const reconciles = new Reconciles();
  expect(reconciles.failure).toBeNull();
  reconciles.begin(rows(1, 'a', 'b'), reconcile);
  await end('a', 'no broker');
  await end('b', new Error('cannot be'));
  expect(reconciles.failure).toBe('no broker');
  reconciles.begin(rows(2, 'a', 'b'), reconcile);
  expect(reconciles.failure).toBe('no broker');
  await end('a', null);
  expect(reconciles.failure).toBe('cannot be');
  await end('b', null);
  expect(reconciles.failure).toBeNull();
});

it('of a migration that is gone nothing is said', async () => {
  const { reconcile, end } = controlled();
  const reconciles = new Reconciles();
  reconciles.begin(rows(1, 'a'), reconcile);
  await end('a', 'no broker');
  reconciles.begin([], reconcile);
  expect(reconciles.failure).toBeNull();
});

it('whoever stops waits for every one that is under way', async () => {
  const { reconcile, end } = controlled();
  const reconciles = new Reconciles();
  reconciles.begin(rows(1, 'a'), reconcile);
  reconciles.begin(rows(2, 'a', 'b'), reconcile);
  let ended = false;
  const all = reconciles.ended().then(() => (ended = true));
  await end('b', null);
  expect(ended).toBe(false);
  await end('a', 'no broker');
  await all;
});
