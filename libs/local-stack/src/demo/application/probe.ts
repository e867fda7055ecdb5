// The probe: a thread of its own, so that the writers' work in JavaScript is not taken for the database's.
// Every 5 ms it inserts one row, or updates one of its last rows, and measures how long that took: what a client waits.
import { setTimeout as wait } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import pg from 'pg';
import { Histogram } from './histogram.js';
import type { WaitSummary } from './histogram.js';
import { Random } from './random.js';
import { RowMaker, insert, readKnown } from './rows.js';
import { countError, emptyTally } from './tally.js';
import type { Tally } from './tally.js';

export interface ProbeOptions {
  readonly url: string;
  readonly seed: number;
  readonly setsWorkspaceId: boolean;
  readonly everyMs: number;
}

/** The waits since the last mark, and the errors since the start. */
export interface ProbeReport {
  readonly kind: 'running' | 'phase' | 'stopped';
  readonly insert: WaitSummary;
  readonly update: WaitSummary;
  readonly inserted: number;
  readonly tally: Pick<Tally, 'errors' | 'errorSamples'>;
}

const OWN_ROWS = 50; // so young that a filler works on them at the same time
const waits = { insert: new Histogram(), update: new Histogram() };
const tally = emptyTally();
let stopped = false;

const report = (kind: ProbeReport['kind']): void =>
  parentPort?.postMessage({
    kind,
    insert: waits.insert.summary(),
    update: waits.update.summary(),
    inserted: tally.inserted,
    tally: { errors: tally.errors, errorSamples: tally.errorSamples },
  } satisfies ProbeReport);

parentPort?.on('message', (command: 'mark' | 'report' | 'stop') => {
  if (command === 'stop') stopped = true;
  else report(command === 'mark' ? 'phase' : 'running');
  if (command === 'mark') for (const histogram of Object.values(waits)) histogram.reset();
});

async function measure(kind: keyof typeof waits, work: () => Promise<void>): Promise<void> {
  const from = performance.now();
  try {
    await work();
  } catch (error) {
    countError(tally, `probe ${kind}`, error);
  }
  waits[kind].record(performance.now() - from);
}

async function probe(options: ProbeOptions): Promise<void> {
  const client = new pg.Client({ connectionString: options.url, application_name: 'application probe' });
  client.on('error', (error) => {
    countError(tally, 'probe connection', error);
    stopped = true;
  });
  await client.connect();
  const make = new RowMaker(new Random(options.seed), await readKnown(client), options.setsWorkspaceId);
  const own: string[] = [];
  for (let due = performance.now(); !stopped; due = Math.max(due + options.everyMs, performance.now())) {
    if (due > performance.now()) await wait(due - performance.now());
    const { ref, row } = make.activity();
    const old = make.random.next() < 0.5 && own.length > 0 ? make.random.pick(own) : undefined;
    if (old === undefined) {
      await measure('insert', async () => {
        await insert(client, 'Activity', [row]);
        tally.inserted += 1;
        own.push(ref.id);
        own.splice(0, Math.max(0, own.length - OWN_ROWS));
      });
    } else {
      await measure('update', async () => {
        await client.query(`update "Activity" set title = $2, "updatedAt" = now() where id = $1`, [old, row['title']]);
      });
    }
  }
  await client.end().catch(() => undefined);
}

await probe(workerData as ProbeOptions).catch((error: unknown) => countError(tally, 'probe', error));
report('stopped');
parentPort?.close();
