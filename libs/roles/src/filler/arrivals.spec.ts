import { expect, it } from 'vitest';
import { Arrivals, arrivalsMax } from './arrivals.js';
import type { HintItem } from './triage.js';

it('whoever waits for room for days leaves nothing behind at each heartbeat, and goes on when there is some', async () => {
  const arrivals = new Arrivals();
  arrivals.add(Array.from({ length: arrivalsMax + 1 }, () => ({}) as HintItem));
  let beats = 0;
  const beat = (): Promise<void> => {
    beats += 1;
    return Promise.resolve();
  };
  let entered = 0;
  const waiting = [1, 2].map(() => arrivals.room(beat, 1).then(() => (entered += 1)));
  await expect.poll(() => beats, { timeout: 20_000 }).toBeGreaterThan(20);
  expect((arrivals as unknown as { waiting: Iterable<unknown> }).waiting).toSatisfy(
    (kept: Iterable<unknown>) => [...kept].length <= 2,
  );
  expect(entered).toBe(0);
  arrivals.take(1);
  await Promise.all(waiting);
  expect(entered).toBe(2);
});
