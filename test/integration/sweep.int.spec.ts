import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import pg from 'pg';
import { Sweeper, type SweeperOptions } from '@highwater/roles';
import {
  closeGate,
  createRanges,
  createTailPass,
  fillBatch,
  fillChunk,
  leaseRange,
  openDatabase,
  openGate,
  openRanges,
  readFillProgress,
  readSweepFacts,
  renewLease,
  type ChunkOutcome,
  type ChunkRequest,
  type RangeLease,
} from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { chunkWritten } from '../support/chunk-written.js';
import { usePostgres, waitFor, withinLimit } from '../support/stack.js';
import { withoutLimits } from '../support/without-limits.js';

const { freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text);
create table act (id text primary key, grp int, org text, title text);
create table pair ("A b" text, n int, grp int, ws text, primary key ("A b", n));
create table part (id bigint, day int, grp int, org text, primary key (id, day)) partition by range (day);
create table part_1 partition of part for values from (0) to (10);
create table part_2 partition of part for values from (10) to (20);
alter table act add constraint allowed check (org <> 'forbidden');
insert into grp select g, case g when 9 then null when 8 then 'forbidden' else 'o' || g end from generate_series(1, 9) g`;

const plan = `
highwater: 1
migration: sweep
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, to: grp(id), then: { column: org } } }
  - { table: pair, target: { column: ws, type: text }, rule: { via: grp, to: grp(id), then: { column: org } } }
  - { table: part, target: { column: org, type: text }, rule: { via: grp, to: grp(id), then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
limits: { sweepWorkers: 2 }
`;

let p: Prepared;
const budget = { rowBudgetMs: 200 };
const sessions: pg.Client[] = [];
const sweepers: Sweeper[] = [];

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, gate(), ['live', 'sweep']);
});
afterAll(() => p.close());
afterEach(async () => {
  for (const sweeper of sweepers.splice(0)) await sweeper.stop();
  for (const session of sessions.splice(0)) await session.end().catch(() => undefined);
  await p.admin.query('truncate act, pair, part; truncate highwater.sweep_range, highwater.unfillable_row');
  await openGate(p.database.state, gate(), ['live', 'sweep']);
});

const gate = () => ({ migrationId: 'sweep', short: target(0).short });
function target(n: number) {
  const t = p.targets[n];
  if (!t) throw new Error(`no target ${n}`);
  return t;
}
async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', () => undefined);
  await client.connect();
  sessions.push(client);
  return client;
}
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
const nulls = async (table: string, column = 'org'): Promise<number> =>
  Number((await p.admin.query<{ n: string }>(`select count(*) as n from ${table} where ${column} is null`)).rows[0]?.n);
const seed = (n: number, group = '1 + g % 7'): Promise<unknown> =>
  p.admin.query(
    `insert into act (id, grp) select 'k' || lpad(g::text, 6, '0'), ${group} from generate_series(1, ${n}) g`,
  );
const ranges = (n: number, chunkRowsMax = 100, epoch = 1) =>
  createRanges(p.database.fill, target(n), { epoch, workers: 2, chunkRowsMax });
async function lease(n: number, epoch = 1): Promise<RangeLease> {
  const found = await leaseRange(p.database.fill, { migrationId: 'sweep', epoch, owner: 'test', targetNos: [n] });
  if (!found) throw new Error('no free range');
  return found;
}
const request = (more: Partial<ChunkRequest> = {}): ChunkRequest => ({
  rows: 50,
  budget,
  naming: 'ctid',
  sparse: false,
  ...more,
});
type Written = Extract<ChunkOutcome, { kind: 'written' }>;
async function sweepAll(
  n: number,
  more: Partial<ChunkRequest> = {},
  fill: typeof p.database.fill = p.database.fill,
): Promise<Written[]> {
  const outcomes: Written[] = [];
  for (;;) {
    const found = await leaseRange(fill, { migrationId: 'sweep', epoch: 1, owner: 'test', targetNos: [n] });
    if (!found) return outcomes;
    for (let done = false; !done;) {
      const outcome = await chunkWritten(() => fillChunk(fill, target(n), found, request(more)));
      if (outcome.kind !== 'written') throw new Error(outcome.kind);
      outcomes.push(outcome);
      done = outcome.done;
    }
  }
}
/** Nobody holds a row: one that is contended all the same was cut off on a busy machine, and is the tail pass's. */
async function sweepToTheEnd(n: number, more: Partial<ChunkRequest> = {}): Promise<void> {
  const contended = (outcomes: readonly Written[]): boolean => outcomes.some((one) => one.contended > 0);
  let left = contended(await sweepAll(n, more));
  for (let pass = 1; left; pass += 1) {
    await createTailPass(p.database.fill, target(n), { epoch: 1, pass });
    left = contended(await sweepAll(n, more));
  }
}
function sweeper(more: Partial<SweeperOptions> = {}): Sweeper {
  const quiet = () => undefined;
  const made = new Sweeper({
    database: p.database,
    migrationId: 'sweep',
    epoch: 1,
    stream: null,
    targets: p.targets,
    limits: p.plan.limits,
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    ...more,
  });
  sweepers.push(made);
  return made;
}
const open = async (): Promise<number> => openRanges(await readFillProgress(p.database.state, 'sweep', 1));

describe('ranges', () => {
  it('are none for an empty table, one for a few rows, and several for many; together they hold every row once', async () => {
    expect(await ranges(0)).toEqual({ ranges: 0, rowsEstimated: 0 });
    await seed(3_000);
    const made = await ranges(0);
    expect(made).toEqual({ ranges: 7, rowsEstimated: 3_000 });
    expect(await ranges(0)).toEqual(made);
    const scanned = (await sweepAll(0)).reduce((sum, { filled }) => sum + filled, 0);
    expect(scanned).toBe(3_000);
    expect(await nulls('act')).toBe(0);
  });

  it('end at the last key read at the start', async () => {
    await seed(100);
    await ranges(0);
    await p.admin.query(`insert into act (id, grp) values ('z', 1)`);
    await sweepAll(0);
    expect(await rows('select id from act where org is null')).toEqual([['z']]);
  });
});

describe('a chunk', () => {
  it.each(['ctid', 'key'] as const)(
    'fills one-column, composite and partitioned tables, rows named by %s',
    async (naming) => {
      await seed(120);
      await p.admin
        .query(`insert into pair select case g % 3 when 0 then 'a "q" \\' else 'b' end, g, 1 from generate_series(1, 120) g;
      insert into part select g, g % 20, 2 from generate_series(1, 120) g`);
      for (const n of [0, 1, 2]) {
        await ranges(n, 7);
        await sweepToTheEnd(n, { naming: n === 2 ? 'key' : naming, rows: 7 });
      }
      expect([await nulls('act'), await nulls('pair', 'ws'), await nulls('part')]).toEqual([0, 0, 0]);
      expect(await rows(`select count(*) from act a join grp g on g.id = a.grp where a.org <> g.org`)).toEqual([['0']]);
    },
  );

  it('knows that a partitioned table has no single ctid', async () => {
    expect((await readSweepFacts(p.database.fill, target(0))).naming).toBe('ctid');
    expect((await readSweepFacts(p.database.fill, target(2))).naming).toBe('key');
  });

  it('writes rows and cursor in one commit: a crash before it leaves both as they were', async () => {
    await seed(100);
    await ranges(0);
    const mine = await lease(0);
    const crash = async (): Promise<void> => {
      // until it is gone: the client hears of its end before the server has given its rows back
      await p.admin.query(
        `select pg_terminate_backend(pid, 60000) from pg_stat_activity where application_name like 'highwater/%/fill' and state like 'idle in transaction'`,
      );
    };
    await expect(
      chunkWritten(() => fillChunk(p.database.fill, target(0), mine, request({ onChunkWritten: crash }))),
    ).rejects.toThrow();
    expect(await rows('select cursor, rows_filled, done from highwater.sweep_range')).toEqual([[null, '0', false]]);
    expect(await nulls('act')).toBe(100);
    expect(await chunkWritten(() => fillChunk(p.database.fill, target(0), mine, request()))).toMatchObject({
      kind: 'written',
      filled: 50,
      done: false,
    });
    expect(await rows('select cursor, rows_filled from highwater.sweep_range')).toEqual([[['k000050'], '50']]);
  });

  it('refuses a zombie: a worker whose lease went to another', async () => {
    await seed(10);
    await ranges(0);
    const zombie = await lease(0);
    await p.admin.query(`update highwater.sweep_range set lease_until = clock_timestamp() - interval '1 second'`);
    expect(await chunkWritten(() => fillChunk(p.database.fill, target(0), zombie, request()))).toEqual({
      kind: 'leaseLost',
    });
    const owner = await lease(0);
    expect(await renewLease(p.database.fill, zombie)).toBe(false);
    expect(await chunkWritten(() => fillChunk(p.database.fill, target(0), zombie, request()))).toEqual({
      kind: 'leaseLost',
    });
    expect(await nulls('act')).toBe(10);
    expect(await chunkWritten(() => fillChunk(p.database.fill, target(0), owner, request()))).toMatchObject({
      kind: 'written',
      filled: 10,
      done: true,
    });
  });

  it('skips rows that somebody holds, without waiting, and leaves them to the tail pass', async () => {
    await seed(20);
    await ranges(0);
    const writer = await session();
    await writer.query(`begin; update act set title = 'x' where id in ('k000003', 'k000020')`);
    const unlimited = withoutLimits(p.database, ['lock_timeout', 'statement_timeout']);
    try {
      await withinLimit('the sweep beside the held rows', sweepAll(0, {}, unlimited.fill));
      expect(await nulls('act')).toBe(2);
    } finally {
      await writer.query('commit');
      await unlimited.close();
    }
    await createTailPass(p.database.fill, target(0), { epoch: 1, pass: 1 });
    await sweepAll(0);
    expect(await nulls('act')).toBe(0);
  });

  it('finds exactly the bad rows, for any of them, and fills the rest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 60 }),
        async (bad, size) => {
          await p.admin.query('truncate act; truncate highwater.sweep_range, highwater.unfillable_row');
          await seed(40, `case when g = any('{${bad.join(',')}}') then 8 else 1 end`);
          await ranges(0);
          await sweepToTheEnd(0, { rows: size });
          const key = (n: number): string => `k${String(n).padStart(6, '0')}`;
          const listed = await rows(
            'select key[1], reason, constraint_name from highwater.unfillable_row order by key',
          );
          expect(listed).toEqual(bad.toSorted((a, b) => a - b).map((n) => [key(n), 'CheckViolation', 'allowed']));
          expect(await nulls('act')).toBe(bad.length);
        },
      ),
      { numRuns: 15, seed: 7 },
    );
  });

  it('lists rows without a value by reason, and a tail pass fills them once repaired', async () => {
    await seed(10, 'case when g <= 3 then 9 when g = 4 then null when g = 5 then 77 else 1 end');
    await ranges(0);
    await sweepAll(0);
    expect((await readFillProgress(p.database.state, 'sweep', 1))[0]).toMatchObject({
      filled: { sweep: 5, live: 0, tailPass: 0 },
      openRanges: 0,
      unfillable: { InputNull: 4, ParentMissing: 1 },
    });
    await p.admin.query(`update act set grp = 1 where grp = 9`);
    await createTailPass(p.database.fill, target(0), { epoch: 1, pass: 1 });
    await sweeper().start();
    await waitFor('the tail pass', async () => (await open()) === 0);
    expect(await nulls('act')).toBe(2);
    await waitFor(
      'the list',
      async () => (await rows('select 1 from highwater.unfillable_row where closed_at is null')).length === 2,
    );
  });
});

describe('a chunk on one snapshot that supposes a value for every row', () => {
  it('writes them, and is done again lock first, nothing of the first try left, when one has none', async () => {
    await seed(60, 'case when g = 35 then 9 when g = 36 then 77 else 1 end');
    await p.admin.query(`create table write_log (n int);
      create function log_write() returns trigger language plpgsql security definer set search_path = public as
        'begin insert into write_log select count(*) from new_rows where org is null; return null; end';
      create trigger logged after update on act referencing new table as new_rows for each statement execute function log_write()`);
    try {
      await ranges(0);
      const mine = await lease(0);
      const chunk = () =>
        chunkWritten(() => fillChunk(p.database.fill, target(0), mine, request({ rows: 30, shape: 'oneSnapshot' })));
      expect(await chunk()).toMatchObject({ kind: 'written', filled: 30, unfillable: 0, inVain: false });
      expect(await chunk()).toMatchObject({ kind: 'written', filled: 28, unfillable: 2, inVain: true });
      expect(await rows('select key[1], reason from highwater.unfillable_row order by key')).toEqual([
        ['k000035', 'InputNull'],
        ['k000036', 'ParentMissing'],
      ]);
      // no NULL was ever written that stayed
      expect(await rows('select distinct n from write_log')).toEqual([[0]]);
    } finally {
      await p.admin.query('drop trigger logged on act; drop function log_write; drop table write_log');
    }
  });
});

describe('the gate', () => {
  it('is true when acknowledged: after closeGate returned, no write that began before commits', async () => {
    await seed(2_000);
    await ranges(0);
    // slow enough to be under way when the gate closes
    const work = sweeper({ limits: { ...p.plan.limits, chunkRowsMax: 50, sweepRowsPerSecondMax: 100 } });
    await work.start();
    await waitFor('the first rows', async () => (await nulls('act')) < 2_000);
    await closeGate(p.database.state, gate(), ['sweep']);
    const at = await nulls('act');
    await waitFor('the sweeper to notice', () => work.status().state === 'paused', { describe: () => work.status() });
    expect(await nulls('act')).toBe(at);
    await openGate(p.database.state, gate(), ['sweep']);
    await waitFor('it to go on', async () => (await nulls('act')) < at);
    await work.stop();
    await sweeper().start();
    await waitFor('the rest', async () => (await nulls('act')) === 0);
  });

  it('waits for the transaction that is under way, and refuses the next', async () => {
    await seed(10);
    await ranges(0);
    const mine = await lease(0);
    const order: string[] = [];
    let closing: Promise<unknown> | undefined;
    const onChunkWritten = async (): Promise<void> => {
      closing = closeGate(p.database.state, gate(), ['sweep', 'live']).then(() => order.push('acknowledged'));
      await waitFor(
        'the controller to wait',
        async () => (await rows(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length > 0,
      );
      order.push('written');
    };
    await chunkWritten(() => fillChunk(p.database.fill, target(0), mine, request({ rows: 5, onChunkWritten })));
    await closing;
    expect(order).toEqual(['written', 'acknowledged']);
    expect(await chunkWritten(() => fillChunk(p.database.fill, target(0), mine, request()))).toEqual({
      kind: 'gateClosed',
    });
    const live = await fillBatch(p.database.fill, target(0), [{ key: ['k000009'], xid: '3', partition: 0 }], budget);
    expect(live).toEqual({ kind: 'gateClosed' });
  });
});

describe('the sweeper', () => {
  it('shares ranges among workers and processes, and survives another one’s death', async () => {
    await seed(5_000);
    await p.admin.query(
      `insert into pair select 'a', g, 1 from generate_series(1, 500) g; insert into part select g, g % 20, 2 from generate_series(1, 500) g`,
    );
    for (const n of [0, 1, 2]) await ranges(n);
    const dead = await lease(0);
    await p.admin.query(
      `update highwater.sweep_range set lease_until = clock_timestamp() + interval '1 second' where lease_token = $1`,
      [dead.token],
    );
    const other = openDatabase({ ...p.database.settings, instance: 'other' });
    try {
      const both = [sweeper(), sweeper({ database: other })];
      await Promise.all(both.map((s) => s.start()));
      await waitFor('every range', async () => (await open()) === 0, { describe: () => both.map((s) => s.status()) });
      expect([await nulls('act'), await nulls('pair', 'ws'), await nulls('part')]).toEqual([0, 0, 0]);
      await Promise.all(both.map((s) => s.stop())); // the last commit is there before its worker has heard of it
      expect(both.map((s) => s.status().rowsFilled).reduce((a, b) => a + b)).toBe(6_000);
    } finally {
      await other.close();
    }
  });

  it('stops by finishing its chunk and giving the range back', async () => {
    await seed(1_000);
    await ranges(0, 1_000);
    const work = sweeper({ limits: { ...p.plan.limits, chunkRowsMax: 10 } });
    await work.start();
    await waitFor('some rows', async () => (await nulls('act')) < 1_000);
    await work.stop();
    expect(work.status().state).toBe('stopped');
    expect(await rows(`select count(*) from highwater.sweep_range where lease_until is not null`)).toEqual([['0']]);
  });

  it('keeps to max_rate and says so', async () => {
    await seed(3_000);
    await ranges(0, 5_000);
    const work = sweeper({
      limits: { ...p.plan.limits, sweepWorkers: 1, chunkRowsMax: 50, sweepRowsPerSecondMax: 500 },
    });
    const began = performance.now();
    await work.start();
    await waitFor('500 rows', async () => (await nulls('act')) <= 2_500);
    expect(performance.now() - began).toBeGreaterThan(700);
    await work.stop();
  });

  it('vacuums between chunks as the role that may', async () => {
    await seed(45_000);
    await ranges(0, 5_000);
    await sweeper().start();
    await waitFor('the sweep', async () => (await open()) === 0);
    const [[vacuums]] = (await rows(`select vacuum_count from pg_stat_user_tables where relname = 'act'`)) as [
      [string],
    ];
    await waitFor(
      'the vacuum to be counted',
      async () =>
        Number(
          ((await rows(`select vacuum_count from pg_stat_user_tables where relname = 'act'`)) as [[string]])[0][0],
        ) > 0,
      { describe: () => vacuums },
    );
  });
});
