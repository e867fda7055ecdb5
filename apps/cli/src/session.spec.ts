import { expect, it } from 'vitest';
import { Session } from './session.js';

const terminal = { out: () => undefined, err: () => undefined, drained: () => Promise.resolve(), interactive: false };

it('work is given up when interrupted, though what it waits for is never answered', async () => {
  const interrupted = new AbortController();
  const session = new Session(terminal, {}, interrupted.signal);
  const working = session.unlessInterrupted(new Promise(() => undefined));
  interrupted.abort('SIGINT');
  await expect(working).rejects.toThrow(/abort/i);
  await expect(session.unlessInterrupted(new Promise(() => undefined))).rejects.toThrow(/abort/i);
});

it('work that ends is answered, and work that fails fails', async () => {
  const session = new Session(terminal, {}, new AbortController().signal);
  expect(await session.unlessInterrupted(Promise.resolve(7))).toBe(7);
  await expect(session.unlessInterrupted(Promise.reject(new Error('failed')))).rejects.toThrow('failed');
});
