// Rows per second of a sweep against one single UPDATE and against the loop everybody writes first.
import { Sweeper } from '@highwater/roles';
import { createRanges, openRanges, readFillProgress } from '@highwater/target-db';
import { loadavg } from 'node:os';
import { cpuMs, median } from './report.mjs';
import { freshTable, logger, migrationOf, until } from './tables.mjs';

const table = 'swept';

const variants = {
  'one single UPDATE': (bench) =>
    bench.app.query(
      `update ${table} as t set "workspaceId" = p."workspaceId" from "Group" as p where p.id = t."groupId" and t."workspaceId" is null`,
    ),
  'naive loop, LIMIT 10000': async (bench) => {
    for (;;) {
      const { rowCount } = await bench.app.query(
        `update ${table} as t set "workspaceId" = p."workspaceId" from "Group" as p
          where p.id = t."groupId" and t.id in (select id from ${table} where "workspaceId" is null limit 10000)`,
      );
      if (rowCount === 0) return;
    }
  },
  'sweep, 1 worker': (bench) => sweep(bench, 1),
  'sweep, 2 workers': (bench) => sweep(bench, 2),
};

async function sweep(bench, workers) {
  const { id, plan, targets } = await migrationOf(bench, table, { sweepWorkers: workers });
  const { database } = bench;
  for (const target of targets)
    await createRanges(database.fill, target, { epoch: 1, workers, chunkRowsMax: plan.limits.chunkRowsMax });
  const chunks = [];
  const sweeper = new Sweeper({
    database,
    migrationId: id,
    epoch: 1,
    stream: null,
    targets,
    limits: plan.limits,
    logger,
    onChunkFilled: ({ outcome }) => {
      if (outcome.kind === 'written') chunks.push({ rows: outcome.filled, heldMs: outcome.heldMs });
    },
  });
  await sweeper.start();
  const began = performance.now();
  const open = async () => openRanges(await readFillProgress(database.state, id, 1));
  await until('the sweep', async () => (await open()) === 0, { everyMs: 25, describe: () => sweeper.status() });
  const tookMs = performance.now() - began;
  await sweeper.stop();
  const held = chunks.map((chunk) => chunk.heldMs).sort((a, b) => a - b);
  return { tookMs, chunks: chunks.length, chunkHeldMsP50: median(held), chunkHeldMsMax: held.at(-1) };
}

/** Alternated: every round runs every variant once, so that a slow minute of the machine meets them all. */
export async function benchSweep(bench, { rows, rounds, only }) {
  const runs = [];
  const chosen = Object.entries(variants).filter(([name]) => !only || name.includes(only));
  for (let round = 1; round <= rounds; round += 1) {
    for (const [variant, run] of chosen) {
      await freshTable(bench, table, rows);
      const before = await facts(bench);
      const [began, cpu, load] = [performance.now(), await cpuMs(bench.app), loadavg()[0]];
      const more = (await run(bench)) ?? {};
      const seconds = (more.tookMs ?? performance.now() - began) / 1000;
      const cpuUsed = (await cpuMs(bench.app)) - cpu;
      const after = await facts(bench);
      if (after.nulls > 0) throw new Error(`${variant} left ${after.nulls} rows NULL`);
      runs.push({
        round,
        variant,
        seconds,
        rowsPerSecond: rows / seconds,
        growth: after.bytes / before.bytes - 1,
        cpuMicrosPerRow: Number.isFinite(cpuUsed) ? (cpuUsed * 1000) / rows : undefined,
        load,
        walBytesPerRow: (after.wal - before.wal) / rows,
        ...(more.chunks ? more : {}),
      });
      const { rowsPerSecond, growth, cpuMicrosPerRow } = runs.at(-1);
      console.log(
        `  ${round}. ${variant}: ${Math.round(rowsPerSecond)} rows/s, ${cpuMicrosPerRow?.toFixed(2)} µs CPU per row, table +${Math.round(growth * 100)} %${more.chunks ? `, ${more.chunks} chunks` : ''}`,
      );
    }
  }
  const of = (variant, field) => median(runs.filter((run) => run.variant === variant).map((run) => run[field]));
  const single = 'one single UPDATE';
  const summary = chosen.map(([variant]) => ({
    variant,
    rowsPerSecond: of(variant, 'rowsPerSecond'),
    ratio: of(variant, 'rowsPerSecond') / of(single, 'rowsPerSecond'),
    cpuMicrosPerRow: of(variant, 'cpuMicrosPerRow'),
    cpuRatio: of(single, 'cpuMicrosPerRow') / of(variant, 'cpuMicrosPerRow'),
    growth: of(variant, 'growth'),
    walBytesPerRow: of(variant, 'walBytesPerRow'),
    ...(variant.startsWith('sweep') ? { chunkHeldMsMax: of(variant, 'chunkHeldMsMax') } : {}),
  }));
  return { rows, rounds, summary, runs };
}

async function facts(bench) {
  const { rows } = await bench.app.query(
    `select pg_total_relation_size('${table}')::float8 as bytes, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal,
            (select count(*) from ${table} where "workspaceId" is null)::int4 as nulls`,
  );
  return rows[0];
}
