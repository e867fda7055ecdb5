import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { Random } from '../../demo/application/random.js';
import { countError } from '../../demo/application/tally.js';
import type { Effect, Example, Operation } from '../example.js';
import { count } from './tally.js';
import type { Tally } from './tally.js';

export interface WriterOptions {
  readonly url: string;
  readonly example: Example<unknown>;
  readonly rows: number;
  readonly random: Random;
  readonly version: 'old' | 'new';
  readonly tally: Tally;
  readonly stop: AbortSignal;
  readonly fixed: () => boolean;
}

const RECONNECT_MS = 250;
const BEHIND_MS_MAX = 2_000;

/** Writes about `rowsPerSecond` until told to stop, by randomly chosen operations. */
export async function write(options: WriterOptions, rowsPerSecond: number): Promise<void> {
  const { operations } = options.example;
  const total = operations.reduce((sum, [, weight]) => sum + weight, 0);
  const choose = () => {
    let left = options.random.next() * total;
    const found = operations.find(([, weight]) => (left -= weight) < 0) ?? operations[0];
    if (!found) throw new Error('invariant broken: an example has operations');
    return found;
  };
  let due = Date.now();
  await loop(options, async (perform) => {
    const [name, , operation] = choose();
    const effect = await perform(name, operation);
    const rows = Object.values(effect).reduce((sum, n) => sum + n, 0);
    due += (Math.max(1, rows) / rowsPerSecond) * 1_000;
    due = Math.max(due, Date.now() - BEHIND_MS_MAX); // after a stall: catch up a little, never in one long burst
    await pause(due - Date.now(), options.stop);
  });
}

/** Now and then holds one transaction open for seconds, with rows in it. */
export async function holdOpen(options: WriterOptions): Promise<void> {
  await loop(options, async (perform) => {
    await perform('held open', options.example.heldOpen);
    await pause(options.random.between(5_000, 9_000), options.stop);
  });
}

type Perform = (name: string, operation: Operation<unknown>) => Promise<Effect>;

/** Keeps a connection, reconnects when it is lost, counts every error; after one the transaction is rolled back. */
async function loop(options: WriterOptions, step: (perform: Perform) => Promise<void>): Promise<void> {
  const { url, example, rows, random, version, tally, stop, fixed } = options;
  let world: unknown;
  while (!stop.aborted) {
    const client = new pg.Client({ connectionString: url, application_name: `${version} application` });
    let lost = false;
    client.on('error', () => (lost = true));
    try {
      await client.connect();
      world ??= await example.lookAround(client, { rows, random, version });
      await example.signIn?.(client, world);
    } catch (error) {
      countError(tally, 'connect', error);
      await client.end().catch(() => undefined);
      await pause(RECONNECT_MS, stop);
      continue;
    }
    const perform: Perform = async (name, operation) => {
      try {
        const effect = await operation({ client, random, world, version, fixed: fixed(), stop });
        count(tally, effect);
        return effect;
      } catch (error) {
        countError(tally, name, error);
        await client.query('rollback').catch(() => (lost = true));
        return {};
      }
    };
    while (!stop.aborted && !lost) await step(perform);
    await client.end().catch(() => undefined);
  }
}

const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  if (ms > 0 && !signal.aborted) await wait(ms, undefined, { signal }).catch(() => undefined);
};
