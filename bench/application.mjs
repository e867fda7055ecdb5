// What the application notices: its inserts at a fixed rate and as fast as they go, alone, in stream mode, with the bridge, beside sweeps.
import { startKafka } from '@highwater/local-stack';
import { createRanges, dropBridge, dropSlot, installBridge, openRanges, readFillProgress } from '@highwater/target-db';
import { inserting } from './inserting.mjs';
import { brokerProcesses, giveWay, startProcess } from './processes.mjs';
import { median } from './report.mjs';
import { openStream } from './stream.mjs';
import { freshTable, migrationOf, until } from './tables.mjs';

const table = 'applied';
const connections = 8;
const ddlBudget = { lockBudgetMs: 2_000, lockAttempts: 20 };
/** A throttled sweep: about a tenth of what it could do. */
const throttledRowsPerSecond = 20_000;

/** Each variant: what runs beside the application. Answers how to end it. */
const variants = {
  alone: async () => async () => undefined,
  'stream mode': (bench, kafka) => beside(bench, kafka, { roles: ['relay', 'filler'] }),
  bridge: (bench, kafka) => beside(bench, kafka, { roles: ['relay', 'filler'], bridge: true }),
  'unthrottled sweep': (bench, kafka) => beside(bench, kafka, { roles: ['relay', 'filler', 'sweeper'] }),
  'throttled sweep': (bench, kafka) =>
    beside(bench, kafka, {
      roles: ['relay', 'filler', 'sweeper'],
      limits: { sweepRowsPerSecondMax: throttledRowsPerSecond, sweepWorkers: 1 },
    }),
};

async function beside(bench, kafka, { roles, bridge = false, limits = {} }) {
  const migration = await migrationOf(bench, table);
  const { id, short, source, targets, plan } = migration;
  const stream = await openStream(bench, kafka, migration);
  if (bridge)
    for (const target of targets)
      await installBridge(bench.database, target, { mode: 'assign', reports: true }, ddlBudget);
  const sweeps = roles.includes('sweeper');
  if (sweeps)
    for (const target of targets)
      await createRanges(bench.database.fill, target, { epoch: 1, workers: 2, chunkRowsMax: plan.limits.chunkRowsMax });
  const ours = startProcess(
    'role-process.mjs',
    { url: bench.url, kafka, migration: { id, short, source }, stream, roles, instance: 'bench roles', limits },
    { detached: true },
  );
  giveWay([ours.pid]);
  await ours.message('ready');
  const status = async () => (ours.send('status'), ours.message('status'));
  await until('the filler to join', async () => (await status()).filler.state === 'consuming', { everyMs: 50 });
  return async () => {
    const swept = sweeps && openRanges(await readFillProgress(bench.database.state, id, 1)) === 0;
    if (swept) console.log('  (the sweep ended before the inserts did: give more --rows)');
    ours.send('stop');
    await ours.message('stopped');
    if (bridge) for (const target of targets) await dropBridge(bench.database, target, ddlBudget);
    await dropSlot(bench.database.stream, stream.slot);
    return { sweptAll: swept };
  };
}

export async function benchApplication(bench, { rows, rounds, rate, seconds, only }) {
  const kafka = await startKafka();
  giveWay(brokerProcesses());
  try {
    const settings = { brokers: kafka.brokers, clientId: 'bench', topicPrefix: `benchapp${process.pid}` };
    const fixed = ['alone', 'stream mode', 'bridge'].filter((name) => !only || name.includes(only));
    const runs = [];
    for (let round = 1; round <= rounds; round += 1)
      for (const variant of fixed)
        runs.push(await once(bench, settings, { variant, round, rate, seconds, rows: Math.min(rows, 200_000) }));
    for (const variant of Object.keys(variants).filter((name) => !only || name.includes(only)))
      runs.push(await once(bench, settings, { variant, round: 1, rate: undefined, seconds, rows }));
    return { kafka: kafka.how, rate, connections, throttledRowsPerSecond, summary: summary(runs), runs };
  } finally {
    await kafka.stop();
  }
}

async function once(bench, kafka, { variant, round, rate, seconds, rows }) {
  await freshTable(bench, table, rows);
  const end = await variants[variant](bench, kafka);
  const figures = await inserting(bench, { table, rate, seconds, warmSeconds: 2, connections });
  const more = await end();
  const { perSecond, insertMs, backendCpuMicros, failed } = figures;
  if (failed > 0) throw new Error(`${failed} inserts of the application failed (${variant})`);
  console.log(
    `  ${rate ? `${round}. at ${rate}/s` : 'saturated'}, ${variant}: ${Math.round(perSecond)} inserts/s, p50 ${insertMs.p50.toFixed(2)} p99 ${insertMs.p99.toFixed(2)} ms, backend CPU ${backendCpuMicros?.toFixed(0)} µs per insert`,
  );
  return { variant, round, mode: rate ? 'fixed' : 'saturated', ...figures, ...more };
}

function summary(runs) {
  const of = (mode, variant, field) =>
    median(
      runs
        .filter((run) => run.mode === mode && run.variant === variant)
        .map(field)
        .filter(Number.isFinite),
    );
  const line = (mode, variant) => {
    const figure = (field) => of(mode, variant, field);
    const ratio = (field) => figure(field) / of(mode, 'alone', field);
    const fields = {
      perSecond: (run) => run.perSecond,
      p50: (run) => run.insertMs.p50,
      p99: (run) => run.insertMs.p99,
      backendCpuMicros: (run) => run.backendCpuMicros,
    };
    return Object.fromEntries([
      ['mode', mode],
      ['variant', variant],
      ...Object.entries(fields).flatMap(([name, field]) => [
        [name, figure(field)],
        [`${name}Ratio`, ratio(field)],
      ]),
    ]);
  };
  return [...new Set(runs.map((run) => `${run.mode}/${run.variant}`))].map((of) => line(...of.split('/')));
}
