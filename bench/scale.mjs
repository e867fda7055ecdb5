// The same backlog and the same history with 1, 2 and 4 service processes.
import { startKafka } from '@highwater/local-stack';
import { openRanges, readFillProgress } from '@highwater/target-db';
import { act, startService, untilPhase } from './service.mjs';
import { freshTable, openBench, parents, planOf, until } from './tables.mjs';

const table = 'shared';
const rowsPerTransaction = 20;

export async function benchProcesses(server, { rows, backlog }) {
  const kafka = await startKafka();
  try {
    const runs = [];
    for (const processes of [1, 2, 4]) runs.push(await shared(server, kafka, { processes, rows, backlog }));
    return { kafka: kafka.how, rows, backlog, runs };
  } finally {
    await kafka.stop();
  }
}

async function shared(server, { brokers }, { processes, rows, backlog }) {
  const id = `processes-${processes}`;
  const bench = await openBench(server, rows, `processes_${processes}`);
  const kafka = { brokers, topicPrefix: `benchproc${process.pid}x${processes}` };
  await freshTable(bench, table, rows);
  let services = [];
  const control = await startService(bench, kafka, ['control', 'relay'], 'control');
  const several = async (role) => {
    services = await Promise.all(
      Array.from({ length: processes }, (_, n) => startService(bench, kafka, [role], `${role}-${n + 1}`)),
    );
  };
  /** None begins before all are there: who comes first would have done part of the work alone, and a group that grows stops the others. */
  const together = async (role) => {
    await act(control, 'POST', `/migrations/${id}/halt`, { reason: 'bench' });
    await several(role);
    const there = async () =>
      (await control.api('GET', `/migrations/${id}`)).workers.filter(
        (worker) => worker.role === role && ['consuming', 'held', 'paused', 'idle'].includes(worker.state),
      );
    await until(`${processes} of ${role}`, async () => (await there()).length >= processes, {
      everyMs: 50,
      describe: there,
    });
    await act(control, 'POST', `/migrations/${id}/resume`, { reason: 'bench' });
  };
  const stopped = async () => {
    await Promise.all(services.map((service) => service.stop()));
    services = [];
  };
  try {
    await act(control, 'POST', '/migrations', planOf(id, table, { limits: { sweepWorkers: 1 } }));
    await act(control, 'POST', `/migrations/${id}/start`, { reason: 'bench' });
    await untilPhase(control, id, ['sweeping']); // nobody holds the role of the sweeper yet, so it stays there
    await bench.app.query(`set synchronous_commit = off`);
    await bench.app.query(`do $$ begin for n in 1 .. ${Math.ceil(backlog / rowsPerTransaction)} loop
      insert into ${table} ("groupId", "userId", title) select 1 + (n * 7 + g) % ${parents}, g, 'backlog ' || n from generate_series(1, ${rowsPerTransaction}) g;
      commit; end loop; end $$`);
    await bench.app.query(`reset synchronous_commit`);
    const { lsn } = (await bench.app.query('select pg_current_wal_insert_lsn()::text as lsn')).rows[0];
    await until(
      'the relay to have sent all of it',
      async () =>
        (
          await bench.app.query(
            'select from pg_replication_slots where database = current_database() and confirmed_flush_lsn >= $1::pg_lsn',
            [lsn],
          )
        ).rowCount > 0,
      { everyMs: 50 },
    );
    const inserted = Math.ceil(backlog / rowsPerTransaction) * rowsPerTransaction;
    const filled = async () =>
      Number((await bench.app.query('select coalesce(sum(filled), 0) as n from highwater.fill_tally')).rows[0].n);
    await together('filler');
    const fillsPerSecond = await pace(filled, inserted);
    await stopped();

    const open = async () => openRanges(await readFillProgress(bench.database.state, id, 1));
    const swept = async () =>
      rows -
      Number((await bench.app.query(`select count(*) as n from ${table} where "workspaceId" is null`)).rows[0].n);
    await together('sweeper');
    await until('the sweep to begin', async () => (await swept()) > 0, { everyMs: 50 });
    const [first, began] = [await swept(), performance.now()];
    await until('the sweep', async () => (await open()) === 0, { everyMs: 25 });
    const sweepRowsPerSecond = ((rows - first) * 1000) / (performance.now() - began);
    await stopped();
    console.log(
      `  ${processes} processes: ${Math.round(fillsPerSecond)} fills/s, ${Math.round(sweepRowsPerSecond)} rows/s swept`,
    );
    return { processes, fillsPerSecond, sweepRowsPerSecond };
  } finally {
    await stopped();
    await control.stop();
    await bench.close();
  }
}

/** From the first sign of work to its end. */
async function pace(done, all) {
  await until('the first of it', async () => (await done()) > 0, { everyMs: 10 });
  const [first, began] = [await done(), performance.now()];
  await until('all of it', async () => (await done()) >= all, { everyMs: 25, describe: done });
  return ((all - first) * 1000) / (performance.now() - began);
}
