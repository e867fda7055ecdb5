// The live path: how fast a backlog drains, and how long a row stays empty.
import { startKafka } from '@highwater/local-stack';
import { Filler, Relay, Sweeper } from '@highwater/roles';
import { createRanges, dropSlot, openRanges, readFillProgress } from '@highwater/target-db';
import { inserting, spread } from './inserting.mjs';
import { openStream } from './stream.mjs';
import { freshTable, logger, migrationOf, parents, until } from './tables.mjs';

const rowsPerTransaction = 20;
const table = 'lived';

export async function benchLive(bench, options) {
  const kafka = await startKafka();
  console.log(`Kafka: ${kafka.how}`);
  try {
    const settings = { brokers: kafka.brokers, clientId: 'bench', topicPrefix: `bench${process.pid}` };
    const drain = await benchDrain(bench, settings, options);
    const latency = await benchLatency(bench, settings, options);
    return { kafka: kafka.how, drain, latency };
  } finally {
    await kafka.stop();
  }
}

/** Relay and filler as the service runs them, in this process. */
function roles(bench, kafka, migration, stream) {
  const { database } = bench;
  const { id, short, plan, targets } = migration;
  const onBroken = (broken) => console.error('! stream broken', broken);
  const common = { database, kafka, migrationId: id, stream, targets, logger, onBroken };
  const filled = async () =>
    Number(
      (
        await bench.app.query(
          'select coalesce(sum(filled), 0) as n from highwater.fill_tally where migration_id = $1',
          [id],
        )
      ).rows[0].n,
    );
  return { relay: new Relay({ ...common, short }), filler: new Filler({ ...common, limits: plan.limits }), filled };
}

async function benchDrain(bench, kafka, { backlog }) {
  await freshTable(bench, table, 0);
  const migration = await migrationOf(bench, table);
  const stream = await openStream(bench, kafka, migration);
  await bench.app.query(`set synchronous_commit = off`);
  await bench.app.query(`do $$ begin for n in 1 .. ${Math.ceil(backlog / rowsPerTransaction)} loop
    insert into ${table} ("groupId", "userId", title) select 1 + (n * 7 + g) % ${parents}, g, 'backlog ' || n from generate_series(1, ${rowsPerTransaction}) g;
    commit; end loop; end $$`);
  await bench.app.query(`reset synchronous_commit`);
  await bench.app.query(`vacuum analyze ${table}`);
  const rows = Number((await bench.app.query(`select count(*) as n from ${table}`)).rows[0].n);

  let began = performance.now();
  await bench.app.query(
    `select count(*) from pg_logical_slot_peek_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', $2)`,
    [stream.slot, stream.publication],
  );
  const decodedPerSecond = (rows * 1000) / (performance.now() - began);

  const { relay, filler, filled } = roles(bench, kafka, migration, stream);
  await relay.start();
  began = performance.now();
  await until('the relay', () => relay.status().hintsSent >= rows, { describe: () => relay.status() });
  const hintsPerSecond = (rows * 1000) / (performance.now() - began);
  console.log(
    `  relay: ${Math.round(hintsPerSecond)} hints/s (server alone decodes ${Math.round(decodedPerSecond)}/s)`,
  );
  await relay.stop();

  await filler.start();
  await until('the filler to begin', async () => (await filled()) > 0, { describe: () => filler.status() });
  const [first, firstAt] = [await filled(), performance.now()];
  await until('the filler', async () => (await filled()) >= rows, { everyMs: 25, describe: () => filler.status() });
  const fillsPerSecond = ((rows - first) * 1000) / (performance.now() - firstAt);
  console.log(`  filler: ${Math.round(fillsPerSecond)} fills/s`);
  await filler.stop();
  await dropSlot(bench.database.stream, stream.slot);

  await bench.app.query(`update ${table} set "workspaceId" = null; vacuum full ${table}`.split(';')[0]);
  await bench.app.query(`vacuum (full, analyze) ${table}`);
  await bench.app.query('checkpoint');
  began = performance.now();
  await bench.app.query(
    `update ${table} as t set "workspaceId" = p."workspaceId" from "Group" as p where p.id = t."groupId" and t."workspaceId" is null`,
  );
  const updatePerSecond = (rows * 1000) / (performance.now() - began);
  return { rows, rowsPerTransaction, decodedPerSecond, hintsPerSecond, fillsPerSecond, updatePerSecond };
}

async function benchLatency(bench, kafka, { rows, rate, seconds }) {
  const results = [];
  const report = (figures) => {
    results.push(figures);
    const { what, filledMs, insertMs } = figures;
    console.log(
      `  ${what}: insert → filled p50 ${filledMs?.p50?.toFixed(1)} p99 ${filledMs?.p99?.toFixed(1)} ms, insert p50 ${insertMs.p50.toFixed(1)} p99 ${insertMs.p99.toFixed(1)} ms`,
    );
  };
  await freshTable(bench, table, rows);
  report({ what: 'the application alone', rate, ...(await inserting(bench, { table, rate, seconds })) });

  await freshTable(bench, table, rows);
  const migration = await migrationOf(bench, table, { sweepWorkers: 2 });
  const stream = await openStream(bench, kafka, migration);
  const { relay, filler, filled } = roles(bench, kafka, migration, stream);
  await relay.start();
  await filler.start();
  await until('the filler to join', () => filler.status().state === 'consuming', { describe: () => filler.status() });
  const first = await lastId(bench);
  const alone = await inserting(bench, { table, rate, seconds });
  await allFilled(bench, first, filler);
  report({ what: 'with relay and filler, sweep idle', rate, ...alone, filledMs: await filledMs(bench, first) });

  for (const target of migration.targets)
    await createRanges(bench.database.fill, target, {
      epoch: 1,
      workers: 2,
      chunkRowsMax: migration.plan.limits.chunkRowsMax,
    });
  const sweeper = new Sweeper({
    database: bench.database,
    migrationId: migration.id,
    epoch: 1,
    stream,
    targets: migration.targets,
    limits: migration.plan.limits,
    logger,
  });
  const from = await lastId(bench);
  const began = performance.now();
  await sweeper.start();
  const swept = async () => openRanges(await readFillProgress(bench.database.state, migration.id, 1)) === 0;
  const beside = await inserting(bench, { table, rate, seconds: seconds * 10, warmSeconds: 0, enough: swept });
  await until('the sweep', swept, { describe: () => sweeper.status() });
  await allFilled(bench, from, filler);
  const { rowsFilled } = sweeper.status();
  report({
    what: 'with the sweep at full speed, 2 workers',
    rate,
    ...beside,
    sweepRowsPerSecond: (rowsFilled * 1000) / (performance.now() - began),
    filledMs: await filledMs(bench, from),
  });
  await sweeper.stop();
  await filler.stop();
  await relay.stop();
  await filled();
  await dropSlot(bench.database.stream, stream.slot);
  return results;
}

const lastId = async (bench) => Number((await bench.app.query(`select max(id) as id from ${table}`)).rows[0].id ?? 0);

const allFilled = (bench, after, filler) =>
  until(
    'every inserted row to be filled',
    async () =>
      (await bench.app.query(`select 1 from ${table} where id > $1 and "workspaceId" is null limit 1`, [after]))
        .rowCount === 0,
    { everyMs: 50, timeoutMs: 60_000, describe: () => filler.status() },
  );

/** Commit time of the transaction that filled each row, less the server's clock in its insert. */
async function filledMs(bench, after) {
  const { rows } = await bench.app.query(
    `select extract(epoch from pg_xact_commit_timestamp(xmin) - "createdAt")::float8 * 1000 as ms from ${table} where id > $1`,
    [after],
  );
  return spread(rows.map((row) => row.ms));
}
