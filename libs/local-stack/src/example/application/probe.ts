// The probe: a thread of its own, so that the writers' work in JavaScript is not taken for the database's.
// Every few milliseconds it inserts one row, or updates one of its last rows, and measures how long that took: what a client waits.
import { setTimeout as wait } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { messageOf } from '@highwater/kernel';
import { Histogram } from '../../demo/application/histogram.js';
import type { WaitSummary } from '../../demo/application/histogram.js';
import { Random } from '../../demo/application/random.js';
import { countError } from '../../demo/application/tally.js';
import type { Desk } from '../example.js';
import { openExample } from '../folder.js';
import { count, emptyTally } from './tally.js';
import type { Tally } from './tally.js';

export interface ProbeOptions {
  readonly url: string;
  readonly name: string;
  readonly rows: number;
  readonly seed: number;
  readonly version: 'old' | 'new';
  readonly everyMs: number;
}

/** The waits since the last mark, and everything else since the start. */
export interface ProbeReport {
  readonly kind: 'running' | 'phase' | 'stopped';
  readonly insert: WaitSummary;
  readonly update: WaitSummary;
  readonly tally: Tally;
}

const waits = { insert: new Histogram(), update: new Histogram() };
const tally = emptyTally();
const stop = new AbortController();

const report = (kind: ProbeReport['kind']): void =>
  parentPort?.postMessage({
    kind,
    insert: waits.insert.summary(),
    update: waits.update.summary(),
    tally,
  } satisfies ProbeReport);

parentPort?.on('message', (command: 'mark' | 'report' | 'stop') => {
  if (command === 'stop') stop.abort();
  else report(command === 'mark' ? 'phase' : 'running');
  if (command === 'mark') for (const histogram of Object.values(waits)) histogram.reset();
});

async function probe({ url, name, rows, seed, version, everyMs }: ProbeOptions): Promise<void> {
  const { example } = await openExample(name);
  const client = new pg.Client({ connectionString: url, application_name: `${version} application probe` });
  client.on('error', (error) => {
    countError(tally, 'probe connection', error);
    stop.abort();
  });
  await client.connect();
  const random = new Random(seed);
  const world = await example.lookAround(client, { rows, random, version });
  await example.signIn?.(client, world);
  const desk: Desk<unknown> = { client, random, world, version, fixed: true, stop: stop.signal };
  for (let due = performance.now(); !stop.signal.aborted; due = Math.max(due + everyMs, performance.now())) {
    if (due > performance.now()) await wait(due - performance.now());
    const kind = desk.random.next() < 0.5 ? 'update' : 'insert';
    const from = performance.now();
    try {
      count(tally, await example.probe[kind](desk));
    } catch (error) {
      countError(tally, `probe ${kind}`, error);
    }
    waits[kind].record(performance.now() - from);
  }
  await client.end().catch(() => undefined);
}

await probe(workerData as ProbeOptions).catch((error: unknown) => countError(tally, 'probe', messageOf(error)));
report('stopped');
parentPort?.close();
