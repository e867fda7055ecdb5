// The application: a process of its own that knows nothing of Highwater. Old version by default; `--sets-workspace-id` is the new one.
//
//   APPLICATION_DATABASE_URL=postgres://app:…@host/db node main.js [--writers 4] [--rate 400] [--seed 1]
//       [--sets-workspace-id] [--stop-on-stdin-end]
//
// Out, JSON lines: `ready`, then `status` every second, `phase` after each SIGUSR2 (the probe starts a new one), `final` after SIGTERM.
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import pg from 'pg';
import type { ProbeOptions, ProbeReport } from './probe.js';
import { Random } from './random.js';
import { RowMaker, readKnown } from './rows.js';
import { emptyTally } from './tally.js';
import type { Tally } from './tally.js';
import { holdOpen, write } from './writer.js';

/** One line of the application's output. Waits are in milliseconds and of the current phase; counts are since the start. */
export interface ApplicationLine {
  readonly kind: 'ready' | 'status' | 'phase' | 'final';
  readonly at: string;
  readonly version: 'old' | 'new';
  /** Counts from 0; SIGUSR2 begins the next. On a `phase` line: the one that ended. */
  readonly phase: number;
  readonly rowsPerSecond: number;
  readonly tally: Tally;
  readonly probe: Pick<ProbeReport, 'insert' | 'update'>;
}

const { values } = parseArgs({
  options: {
    writers: { type: 'string', default: '4' },
    rate: { type: 'string', default: '400' },
    seed: { type: 'string', default: '1' },
    'probe-every-ms': { type: 'string', default: '5' },
    'sets-workspace-id': { type: 'boolean', default: false },
    'stop-on-stdin-end': { type: 'boolean', default: false },
  },
});
const url = process.env['APPLICATION_DATABASE_URL'];
if (!url) {
  console.error('APPLICATION_DATABASE_URL is not set; expected postgres://user:password@host:port/database');
  process.exit(2);
}
const seed = Number(values.seed);
const setsWorkspaceId = values['sets-workspace-id'];

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop.abort());
if (values['stop-on-stdin-end']) process.stdin.on('end', () => stop.abort()).resume();
process.stdout.on('error', () => stop.abort()); // nobody reads any more: the demo is gone

const tally = emptyTally();
const noWaits = { count: 0, p50: 0, p99: 0, worst: 0 };
let probed: ProbeReport = { kind: 'running', insert: noWaits, update: noWaits, inserted: 0, tally: emptyTally() };
let phase = 0;
const started = Date.now();

const worker = new Worker(new URL('./probe.js', import.meta.url), {
  workerData: {
    url,
    seed: seed + 1_000,
    setsWorkspaceId,
    everyMs: Number(values['probe-every-ms']),
  } satisfies ProbeOptions,
});
worker.on('message', (report: ProbeReport) => {
  probed = report;
  if (report.kind !== 'phase') return;
  print('phase');
  phase += 1;
});
const probeGone = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
process.on('SIGUSR2', () => worker.postMessage('mark'));

/** The writers' counts and the probe's together. */
function whole(): Tally {
  const errors = { ...tally.errors };
  for (const [code, count] of Object.entries(probed.tally.errors)) errors[code] = (errors[code] ?? 0) + count;
  const errorSamples = [...tally.errorSamples, ...probed.tally.errorSamples];
  return { ...tally, inserted: tally.inserted + probed.inserted, errors, errorSamples };
}

function print(kind: ApplicationLine['kind']): void {
  const counts = whole();
  const rows = counts.inserted + counts.updated + counts.deleted + counts.copied;
  const line: ApplicationLine = {
    kind,
    at: new Date().toISOString(),
    version: setsWorkspaceId ? 'new' : 'old',
    phase,
    rowsPerSecond: Math.round(rows / Math.max(1, (Date.now() - started) / 1_000)),
    tally: counts,
    probe: { insert: probed.insert, update: probed.update },
  };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

const client = new pg.Client({ connectionString: url, application_name: 'application' });
await client.connect();
const known = await readKnown(client);
await client.end();

print('ready');
const writers = Number(values.writers);
const options = (n: number) => ({
  url,
  make: new RowMaker(new Random(seed * 100 + n), known, setsWorkspaceId),
  tally,
  stop: stop.signal,
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
