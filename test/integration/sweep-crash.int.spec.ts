import { expect, it } from 'vitest';
import pg from 'pg';
import { Sweeper } from '@highwater/roles';
import { createRanges, openGate, openRanges, readFillProgress } from '@highwater/target-db';
import { prepare } from '../support/least-privilege.js';
import { quiet } from '../support/stream.js';
import { usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase, server } = usePostgres();

const schema = `
create table grp (id int primary key, org text);
create table act (id int primary key, grp int, org text);
insert into grp values (1, 'o1')`;

const plan = `
highwater: 1
migration: crash
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, to: grp(id), then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
limits: { sweepWorkers: 2, chunkRowsMax: 50 }
`;

/** Chunks do not wait for the disk (`synchronous_commit = off`): a crash of the server may lose some, but rows and cursor together. */
it('a crash of the server in the middle of a sweep leaves cursor and rows in step, and the sweep goes on', async () => {
  const p = await prepare(await freshDatabase(), schema, plan);
  const target = p.targets[0];
  if (!target) throw new Error('no target');
  await openGate(p.database.state, { migrationId: 'crash', short: target.short }, ['live', 'sweep']);
  await p.admin.query('insert into act (id, grp) select g, 1 from generate_series(1, 20000) g');
  await createRanges(p.database.fill, target, { epoch: 1, workers: 2, chunkRowsMax: 50 });
  const sweeper = new Sweeper({
    database: p.database,
    migrationId: 'crash',
    epoch: 1,
    stream: null,
    targets: p.targets,
    limits: p.plan.limits,
    logger: quiet,
  });
  await sweeper.start();
  try {
    await waitFor('some rows', () => sweeper.status().rowsFilled > 3_000, { everyMs: 2 });
    await server().restart?.('immediate');
    await waitFor('the rest', async () => openRanges(await readFillProgress(p.database.state, 'crash', 1)) === 0);
    const app = new pg.Client({ connectionString: p.url });
    await app.connect();
    const { rows } = await app.query<{ written: string; counted: string; nulls: string }>(
      `select (select count(*) from act where org = 'o1') as written, (select count(*) from act where org is null) as nulls,
              (select sum(rows_filled) from highwater.sweep_range) as counted`,
    );
    await app.end();
    expect(rows[0]).toEqual({ written: '20000', counted: '20000', nulls: '0' });
  } finally {
    await sweeper.stop();
    await p.close().catch(() => undefined);
  }
});
