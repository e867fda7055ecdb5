import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { heldOpen, operations } from './operations.js';
import type { Desk, Effect, Operation } from './operations.js';
import type { RowMaker } from './rows.js';
import { countError } from './tally.js';
import type { Tally } from './tally.js';

export interface WriterOptions {
  readonly url: string;
  readonly make: RowMaker;
  readonly tally: Tally;
  readonly stop: AbortSignal;
}

const RECONNECT_MS = 250;
const BEHIND_MS_MAX = 2_000;

/** Writes about `rowsPerSecond` until told to stop, by randomly chosen operations. */
export async function write(options: WriterOptions, rowsPerSecond: number): Promise<void> {
  const total = operations.reduce((sum, [, weight]) => sum + weight, 0);
  const choose = () => {
    let left = options.make.random.next() * total;
    return operations.find(([, weight]) => (left -= weight) < 0) ?? operations[0];
  };
  let due = Date.now();
  await loop(options, async (perform) => {
    const [name, , operation] = choose() ?? ['held open', 0, heldOpen];
    const effect = await perform(name, operation);
    due += (Math.max(1, rowsOf(effect)) / rowsPerSecond) * 1_000;
    due = Math.max(due, Date.now() - BEHIND_MS_MAX); // after a stall: catch up a little, never in one long burst
    await pause(due - Date.now(), options.stop);
  });
}

/** Now and then holds one transaction open for seconds, with rows in it. */
export async function holdOpen(options: WriterOptions): Promise<void> {
  await loop(options, async (perform) => {
    await perform('held open', heldOpen);
    await pause(options.make.random.between(5_000, 9_000), options.stop);
  });
}

type Perform = (name: string, operation: Operation) => Promise<Effect>;

/** Keeps a connection, reconnects when it is lost, counts every error; after one the transaction is rolled back. */
async function loop(options: WriterOptions, step: (perform: Perform) => Promise<void>): Promise<void> {
  const { url, make, tally, stop } = options;
  const own: Desk['own'] = { activities: [], responses: [] };
  while (!stop.aborted) {
    const client = new pg.Client({ connectionString: url, application_name: 'application' });
    let lost = false;
    client.on('error', () => (lost = true));
    try {
      await client.connect();
    } catch (error) {
      countError(tally, 'connect', error);
      await pause(RECONNECT_MS, stop);
      continue;
    }
    const perform: Perform = async (name, operation) => {
      try {
        const effect = await operation({ client, make, own, stop });
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

const rowsOf = (effect: Effect): number =>
  (effect.inserted ?? 0) + (effect.updated ?? 0) + (effect.deleted ?? 0) + (effect.copied ?? 0);

function count(tally: Tally, effect: Effect): void {
  tally.transactions += 1;
  for (const [name, by] of Object.entries(effect) as [keyof Effect, number][]) tally[name] += by;
}

const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  if (ms > 0 && !signal.aborted) await wait(ms, undefined, { signal }).catch(() => undefined);
};
