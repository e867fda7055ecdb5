// Memory of each process role, a process each, while one transaction of a million rows goes by, and over a sweep after it.
import { startKafka } from '@highwater/local-stack';
import { peakMegabytes } from './processes.mjs';
import { act, startService, untilPhase } from './service.mjs';
import { freshTable, openBench, parents, planOf, until } from './tables.mjs';

const table = 'remembered';

export async function benchMemory(server, { rows }) {
  const kafka = await startKafka();
  const bench = await openBench(server, rows, 'memory');
  const id = 'memory';
  const connection = { brokers: kafka.brokers, topicPrefix: `benchmem${process.pid}` };
  const services = [];
  try {
    await freshTable(bench, table, rows);
    for (const role of ['control', 'relay', 'filler'])
      services.push({ role, service: await startService(bench, connection, [role], role) });
    const control = services[0].service;
    await act(control, 'POST', '/migrations', planOf(id, table, { limits: { sweepWorkers: 2 } }));
    await act(control, 'POST', `/migrations/${id}/start`, { reason: 'bench' });
    await untilPhase(control, id, ['sweeping']); // nobody holds the role of the sweeper yet, so it stays there
    const before = Object.fromEntries(services.map(({ role, service }) => [role, peakMegabytes(service.pid)]));

    const began = performance.now();
    await bench.app.query(
      `insert into ${table} ("groupId", "userId", title) select 1 + g % ${parents}, g, 'one transaction' from generate_series(1, ${rows}) g`,
    );
    const insertedMs = performance.now() - began;
    await untilFilled(bench, id, 'live', rows, control);
    const filledMs = performance.now() - began;
    const after = Object.fromEntries(services.map(({ role, service }) => [role, peakMegabytes(service.pid)]));

    services.push({ role: 'sweeper', service: await startService(bench, connection, ['sweeper'], 'sweeper') });
    await untilPhase(control, id, ['swept', 'bridged']);
    const sweeper = services.at(-1).service;
    const peak = { ...after, sweeper: peakMegabytes(sweeper.pid) };
    for (const [role, megabytes] of Object.entries(peak))
      console.log(
        `  ${role}: at most ${Math.round(megabytes)} MB${before[role] ? `, ${Math.round(before[role])} MB before` : ''}`,
      );
    return { rows, insertedMs, filledMs, before, peak };
  } finally {
    for (const { service } of services) await service.stop();
    await bench.close();
    await kafka.stop();
  }
}

/** As the API tells it: rows filled by the sweep or by live fill. */
async function untilFilled(bench, id, by, rows, service) {
  const filled = async () => (await service.api('GET', `/migrations/${id}`)).tables[0].filled[by];
  await until(`${rows} rows filled by ${by}`, async () => (await filled()) >= rows, { everyMs: 200, describe: filled });
}
