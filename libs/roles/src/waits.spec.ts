import { expect, it, onTestFinished, vi } from 'vitest';
import { notDrained, Waits, waitsText } from './waits.js';

function controlled(): { work: () => Promise<void>; end: () => void; fail: (error: Error) => void } {
  let [end, fail]: [() => void, (error: Error) => void] = [() => undefined, () => undefined];
  const promise = new Promise<void>((resolve, reject) => ([end, fail] = [resolve, reject]));
  return { work: () => promise, end, fail };
}

it('what has begun and not ended is there by name, the longest first', async () => {
  const waits = new Waits();
  const [one, two, three] = [controlled(), controlled(), controlled()];
  const first = waits.during('the start of filler/a', one.work);
  const second = waits.during('the stop of relay/a', two.work);
  const third = waits.during('the event store', three.work);
  expect(waits.list().map(({ what }) => what)).toEqual([
    'the start of filler/a',
    'the stop of relay/a',
    'the event store',
  ]);
  one.end();
  await first;
  two.fail(new Error('failed'));
  await expect(second).rejects.toThrow('failed');
  expect(waits.list().map(({ what }) => what)).toEqual(['the event store']);
  three.end();
  await third;
  expect(waits.list()).toEqual([]);
});

it('a stop that does not end says once what it waits for, also when that began before it', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const waits = new Waits();
  const [before, stuck] = [controlled(), controlled()];
  void waits.during('the start of filler/a', before.work);
  const said: string[] = [];
  const log = { warn: (_: object, text: string): void => void said.push(text.replace(/since .*/, 'since T')) };
  const stopping = waits.whileStopping(log, () => waits.during('the database', stuck.work), 10_000);
  await vi.advanceTimersByTimeAsync(9_900);
  expect(said).toEqual([]);
  await vi.advanceTimersByTimeAsync(60_000);
  before.end();
  stuck.end();
  await stopping;
  expect(said).toEqual([
    'stopping: still waiting for the start of filler/a, since T',
    'stopping: still waiting for the database, since T',
  ]);
});

it('what is waited for is said with the seconds', () => {
  const now = new Date('2026-01-01T00:00:20Z');
  const since = (second: number): Date => new Date(now.getTime() - second * 1_000);
  expect(
    waitsText(
      [
        { what: 'a', since: since(12) },
        { what: 'b', since: since(3) },
      ],
      now,
    ),
  ).toBe('a (for 12 s), b (for 3 s)');
});

it('a stop that takes longer than a process may is given up by name; one that fails, fails', async () => {
  const waits = new Waits();
  const stuck = controlled();
  const stop = waits.during('the stop of filler/a', stuck.work);
  expect(await notDrained(stop, () => waits.list(), 10)).toMatch(
    /^not drained after 0\.01 s, still waiting for the stop of filler\/a \(for \d+ s\); what is under way rolls back when its sessions end$/,
  );
  stuck.end();
  expect(await notDrained(stop, () => waits.list())).toBeNull();
  await expect(notDrained(Promise.reject(new Error('failed')), () => [])).rejects.toThrow('failed');
});
