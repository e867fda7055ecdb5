// The application of one example: a process of its own that knows nothing of Highwater. Old version, or with `--new` the new one.
//
//   APPLICATION_DATABASE_URL=postgres://app:…@host/db node main.js <example> --rows n [--writers 4] [--rate 200] [--seed 1] [--new]
//
// In, lines: `accidents` makes what the old application does wrong, once, and mends it. The end of input ends it.
// Out, JSON lines: `ready`, `status` every second, `accidents`, and `moved` when its last part is done, `phase` after each SIGUSR2 (the probe starts anew), `final` after SIGTERM.
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import pg from 'pg';
import { Random } from '../../demo/application/random.js';
import type { Accidents } from '../example.js';
import { openExample } from '../folder.js';
import type { ProbeOptions, ProbeReport } from './probe.js';
import { emptyTally, sum } from './tally.js';
import type { Tally } from './tally.js';
import { holdOpen, write } from './writer.js';
import type { WriterOptions } from './writer.js';

/** One line of the application's output. Waits are in milliseconds and of the current phase; counts are since the start. */
export interface ApplicationLine {
  readonly kind: 'ready' | 'status' | 'accidents' | 'moved' | 'phase' | 'final';
  readonly version: 'old' | 'new';
  readonly tally: Tally;
  readonly probe: Pick<ProbeReport, 'insert' | 'update'>;
  /** On a line `accidents` alone. */
  readonly accidents?: Omit<Accidents, 'move'>;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rows: { type: 'string', default: '5000' },
    writers: { type: 'string', default: '4' },
    rate: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    new: { type: 'boolean', default: false },
    'stop-on-stdin-end': { type: 'boolean', default: false },
  },
});
const url = process.env['APPLICATION_DATABASE_URL'];
const [name] = positionals;
if (!url || name === undefined) {
  console.error('usage: APPLICATION_DATABASE_URL=postgres://user:password@host:port/database node main.js <example>');
  process.exit(2);
}
const { example } = await openExample(name);
const [seed, rows] = [Number(values.seed), Number(values.rows)];
const version = values.new ? 'new' : 'old';

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
process.stdout.on('error', () => stop.abort()); // nobody reads any more: the run is gone
const input = createInterface({ input: process.stdin });
if (values['stop-on-stdin-end']) input.on('close', () => stop.abort());

const tally = emptyTally();
const noWaits = { count: 0, p50: 0, p99: 0, worst: 0 };
let probed: ProbeReport = { kind: 'running', insert: noWaits, update: noWaits, tally: emptyTally() };

const worker = new Worker(new URL('./probe.js', import.meta.url), {
  workerData: { url, name, rows, seed: seed + 1_000, version, everyMs: 5 } satisfies ProbeOptions,
});
worker.on('message', (report: ProbeReport) => {
  probed = report;
  if (report.kind === 'phase') print('phase');
});
const probeGone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
process.on('SIGUSR2', () => worker.postMessage('mark'));

function print(kind: ApplicationLine['kind'], accidents?: Omit<Accidents, 'move'>): void {
  const line: ApplicationLine = {
    kind,
    version,
    tally: sum(tally, probed.tally),
    probe: { insert: probed.insert, update: probed.update },
    ...(accidents === undefined ? {} : { accidents }),
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

let fixed = version === 'new';
input.on('line', (line) => {
  if (line === 'accidents') void makeAccidents();
});

async function makeAccidents(): Promise<void> {
  const client = new pg.Client({ connectionString: url, application_name: `${version} application` });
  await client.connect();
  const random = new Random(seed * 100 + 99);
  const world = await example.lookAround(client, { rows, random, version });
  const { move, ...accidents } = await example.accidents({
    ...{ client, random, world, version, fixed: false, stop: stop.signal },
  });
  print('accidents', accidents);
  await move();
  await client.end();
  fixed = true;
  print('moved');
}

print('ready');
const writers = Number(values.writers);
const options = (n: number): WriterOptions => ({
  ...{ url, example, rows, version, tally },
  random: new Random(seed * 100 + n),
  stop: stop.signal,
  fixed: () => fixed,
});
const status = setInterval(() => {
  worker.postMessage('report');
  print('status');
}, 1_000);
const perWriter = Number(values.rate) / writers;
await Promise.all([
  ...Array.from({ length: writers }, (_, n) => write(options(n), perWriter)),
  holdOpen(options(writers)),
]);
clearInterval(status);
worker.postMessage('stop');
await probeGone;
print('final');
input.close();
process.stdin.destroy();
