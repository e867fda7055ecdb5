// A whole run through the service, from plan to finished: how long each step held its lock, and what a writer every 5 ms waited for.
import { startKafka } from '@highwater/local-stack';
import { spread } from './inserting.mjs';
import { startProcess } from './processes.mjs';
import { act, startService, untilPhase } from './service.mjs';
import { freshTable, openBench, parents, planOf, until } from './tables.mjs';

const table = 'enforced';
const probeRate = 200;
const windowSeconds = 2;

export async function benchCutover(server, { sizes, seconds }) {
  const kafka = await startKafka();
  try {
    const runs = [];
    for (const rows of sizes) runs.push(await wholeRun(server, kafka, rows, seconds));
    return { kafka: kafka.how, probeRate, runs };
  } finally {
    await kafka.stop();
  }
}

async function wholeRun(server, { brokers }, rows, seconds) {
  const bench = await openBench(server, rows, `cutover_${rows}`);
  const id = `cutover-${rows}`;
  const kafka = { brokers, topicPrefix: `benchcut${process.pid}x${rows}` };
  await freshTable(bench, table, rows);
  const probe = startProcess('inserter.mjs', { url: bench.url, rate: probeRate, table, parents, connections: 4 });
  const service = await startService(bench, kafka, ['control', 'relay', 'filler', 'sweeper'], 'cutover');
  try {
    await probe.message('ready');
    const waits = {};
    const mark = async (what) => {
      probe.send('mark');
      const { took, failed } = await probe.message('figures');
      if (failed > 0) throw new Error(`${failed} inserts of the probe failed (${what})`);
      if (what) waits[what] = spread(took);
    };
    await mark();
    await pass(seconds);
    await mark('control: the probe alone');
    await act(service, 'POST', '/migrations', plan(id));
    await act(service, 'POST', `/migrations/${id}/start`, { reason: 'bench' });
    await untilPhase(service, id, ['swept', 'bridged']);
    await mark('stream and sweep');
    await untilPhase(service, id, ['bridged']);
    await until('every condition to be True', async () => (await readiness(service, id)).ready, {
      everyMs: 100,
      describe: () => readiness(service, id),
    });
    await mark('bridge, tail pass, window');
    const { generation } = await readiness(service, id);
    await act(service, 'POST', `/cutover?migration=${id}`, { reason: 'bench' }, { 'if-match': `"${generation}"` });
    await untilPhase(service, id, ['enforced']);
    let ddlSteps = [];
    await until('the steps to be told', async () => {
      ({ ddlSteps } = await service.api('GET', `/migrations/${id}`));
      return ddlSteps.some(({ step }) => step === 'set-not-null');
    });
    await mark('cutover');
    // a slot that stays keeps every segment of WAL, and the next run waits for the server to make new ones under its WAL write lock
    await act(service, 'POST', `/migrations/${id}/finish`, { bridgeUnused: true, reason: 'bench' });
    await untilPhase(service, id, ['finished']);
    const steps = ddlSteps.map(({ step, lockMode, attempts, lockWaitMs, heldMs }) => ({
      step,
      lockMode,
      attempts,
      lockWaitMs,
      heldMs,
    }));
    const exclusive = steps.filter(({ lockMode }) => lockMode === 'ACCESS EXCLUSIVE');
    for (const one of steps)
      console.log(
        `  ${rows} rows, ${one.step}: ${one.lockMode} held ${one.heldMs.toFixed(1)} ms, waited ${one.lockWaitMs.toFixed(1)} ms, ${one.attempts} attempts`,
      );
    for (const [what, { p50, p99, max }] of Object.entries(waits))
      console.log(
        `  ${rows} rows, ${what}: probe p50 ${p50.toFixed(2)} p99 ${p99.toFixed(1)} worst ${max.toFixed(0)} ms`,
      );
    return { rows, steps, exclusiveHeldMsMax: Math.max(...exclusive.map(({ heldMs }) => heldMs)), waits };
  } finally {
    probe.end();
    await service.stop();
    await bench.close();
  }
}

const plan = (id) =>
  planOf(id, table, {
    cutover: { mode: 'bridge', start: 'manual', window: `${windowSeconds}s` },
    limits: { sweepWorkers: 2 },
  });
const readiness = (service, id) =>
  service.api('GET', `/cutover/readiness?migration=${id}`).catch((error) => ({ ready: false, error: error.message }));
const pass = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
