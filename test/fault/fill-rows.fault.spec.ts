import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import { Sweeper } from '@highwater/roles';
import {
  createRanges,
  createTailPass,
  fillChunk,
  leaseRange,
  openDatabase,
  openGate,
  openRanges,
  readFillProgress,
  type ChunkRequest,
  type FillTarget,
  type RangeLease,
} from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { chunkWritten } from '../support/chunk-written.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { quiet } from '../support/stream.js';

/* What may happen to rows while they are swept, in both walks and with both shapes of the fill transaction. */
const { freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text);
create table act (id bigint primary key, grp int references grp, org text, title text);
alter table act add constraint allowed check (org <> 'forbidden');
create function suppress() returns trigger language plpgsql as 'begin return null; end';
create sequence of_transaction; create sequence tried_by_it; create sequence tried_most;
create function slow() returns trigger language plpgsql security definer set search_path = public as $$
declare n bigint;
begin
  -- sequences do not forget what a savepoint takes back
  if pg_current_xact_id()::text::bigint <> (select last_value from of_transaction) then
    perform setval('of_transaction', pg_current_xact_id()::text::bigint), setval('tried_by_it', 1, false);
  end if;
  n := nextval('tried_by_it');
  if n > (select last_value from tried_most) then perform setval('tried_most', n); end if;
  perform pg_sleep(0.04);
  return new;
end $$;
insert into grp select g, case g when 8 then 'forbidden' else 'o' || g end from generate_series(1, 9) g`;
const plan = `
highwater: 1
migration: rows
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
limits: { sweepWorkers: 2, chunkRowsMax: 500 }
`;

let p: Prepared;
let epoch = 0;
const sessions: pg.Client[] = [];
let sweeper: Sweeper | undefined;

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, { migrationId: 'rows', short: target().short }, ['sweep']);
});
afterEach(async () => {
  await sweeper?.stop();
  sweeper = undefined;
  for (const session of sessions.splice(0)) await session.end().catch(() => undefined);
  await p.admin.query(
    'drop trigger if exists t on act; truncate act; truncate highwater.sweep_range, highwater.unfillable_row',
  );
});
afterAll(() => p.close());

const target = (): FillTarget => p.targets[0] as FillTarget;
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
async function session(settings = ''): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', () => undefined);
  await client.connect();
  if (settings) await client.query(settings);
  sessions.push(client);
  return client;
}
const seed = (n: number, group = '1 + g % 7'): Promise<unknown> =>
  p.admin.query(
    `insert into act (id, grp, title) select g, ${group}, repeat('x', 70) from generate_series(1, ${n}) g; analyze act`,
  );
const wrong = (): Promise<unknown[]> =>
  rows(`select a.id::int, a.org from act a join grp g on g.id = a.grp where a.org is distinct from g.org order by 1`);
type Walk = 'keys' | 'blocks';
async function lease(walk: Walk): Promise<RangeLease> {
  epoch += 1;
  await createRanges(p.database.fill, target(), { epoch, workers: 1, chunkRowsMax: 100_000, walk });
  const found = await leaseRange(p.database.fill, { migrationId: 'rows', epoch, owner: 'test', targetNos: [0] });
  if (!found) throw new Error('no free range');
  return found;
}
const chunk = (mine: RangeLease, more: Partial<ChunkRequest> = {}) =>
  fillChunk(p.database.fill, target(), mine, {
    rows: 200,
    budget: { rowBudgetMs: 200 },
    naming: 'ctid',
    sparse: false,
    shape: 'oneSnapshot',
    ...more,
  });
async function finish(mine: RangeLease, more: Partial<ChunkRequest> = {}): Promise<void> {
  for (;;) {
    const outcome = await chunkWritten(() => chunk(mine, more));
    if (outcome.kind !== 'written') throw new Error(outcome.kind);
    if (outcome.done) return;
  }
}
async function tailPass(): Promise<void> {
  await createTailPass(p.database.fill, target(), { epoch, pass: 1 });
  const mine = await leaseRange(p.database.fill, { migrationId: 'rows', epoch, owner: 'test', targetNos: [0] });
  if (!mine) throw new Error('no tail pass');
  await finish(mine, { shape: 'lockFirst' });
}
/** Two workers over the whole table while `meanwhile` goes on. */
async function sweepWhile(walk: Walk, meanwhile: (swept: () => boolean) => Promise<void>): Promise<void> {
  epoch += 1;
  await createRanges(p.database.fill, target(), { epoch, workers: 2, chunkRowsMax: 500, walk });
  sweeper = new Sweeper({
    database: p.database,
    migrationId: 'rows',
    epoch,
    stream: null,
    targets: p.targets,
    limits: p.plan.limits,
    logger: quiet,
  });
  await sweeper.start();
  let swept = false;
  const other = meanwhile(() => swept);
  await waitFor('the pass', async () => openRanges(await readFillProgress(p.database.state, 'rows', epoch)) === 0, {
    describe: () => sweeper?.status(),
  });
  swept = true;
  await other;
  await sweeper.stop(); // or it takes the tail pass that the test is about to work itself
}

describe.each(['keys', 'blocks'] as const)('walking %s', (walk) => {
  it('F46 F47 an application that takes its rows in the opposite order is never the victim', async () => {
    await seed(12_000);
    const app = await session();
    const deadlocks = (await rows(`select deadlocks from pg_stat_database where datname = current_database()`))[0];
    let [transactions, worst] = [0, 0];
    await sweepWhile(walk, async (swept) => {
      // holds a row far behind while it asks for one the sweep comes to first
      for (let n = 0; !swept() && n < 5_000; n += 1) {
        const high = 12_000 - ((n * 97) % 11_000);
        const began = performance.now();
        await app.query('begin');
        await app.query(`update act set title = 'app' where id = $1`, [high]);
        await app.query(`update act set title = 'app' where id = $1`, [Math.max(1, high - 400)]);
        await app.query('commit');
        worst = Math.max(worst, performance.now() - began);
        transactions += 1;
      }
    });
    console.log(`${walk}: ${transactions} transactions of the application in the opposite order, worst ${Math.round(worst)} ms, none failed`); // prettier-ignore
    expect(transactions).toBeGreaterThan(10);
    await p.admin.query('select pg_stat_force_next_flush()').catch(() => undefined);
    expect((await rows(`select deadlocks from pg_stat_database where datname = current_database()`))[0]).toEqual(deadlocks); // prettier-ignore
    await tailPass();
    expect(await wrong()).toEqual([]);
  });

  it('F53 a trigger that lets no row be written: each is listed as suppressed, none counted as filled', async () => {
    await seed(300);
    await p.admin.query('create trigger t before update on act for each row when (new.id % 100 = 7) execute function suppress()'); // prettier-ignore
    await finish(await lease(walk));
    expect(await rows(`select key[1]::int, reason from highwater.unfillable_row order by 1`)).toEqual([
      [7, 'WriteSuppressed'],
      [107, 'WriteSuppressed'],
      [207, 'WriteSuppressed'],
    ]);
    expect(await rows('select count(*)::int from act where org is null')).toEqual([[3]]);
    expect(await rows('select sum(rows_filled)::int from highwater.sweep_range')).toEqual([[297]]);
  });

  it('F56 TRUNCATE and a mass DELETE in the middle: no error, the pass ends, what is there is filled', async () => {
    await seed(3_000);
    const mine = await lease(walk);
    await chunk(mine);
    await p.admin.query('delete from act where id between 500 and 2500');
    await chunk(mine);
    await p.admin.query('truncate act; insert into act (id, grp) values (1, 3), (2900, 4)');
    await finish(mine);
    await tailPass();
    expect(await rows('select id::int, org from act order by 1')).toEqual([
      [1, 'o3'],
      [2900, 'o4'],
    ]);
    expect(await rows('select count(*)::int from highwater.unfillable_row')).toEqual([[0]]);
  });

  it('F57 a row whose key moves behind the cursor is the tail pass’s', async () => {
    await seed(1_000);
    await p.admin.query('update act set id = id + 10000');
    const mine = await lease(walk);
    for (let n = 0; n < 3; n += 1) await chunk(mine);
    await p.admin.query(`update act set id = id - 10000 where org is null`);
    await finish(mine);
    await tailPass();
    expect(await wrong()).toEqual([]);
  });

  it('F58 a row deleted and inserted again under its key, by another parent: the value is of the row that is there', async () => {
    await seed(400);
    const mine = await lease(walk);
    await chunk(mine, {
      onChunkWritten: async () => {
        // not of the rows being written: those are held
        await p.admin.query(
          `with gone as (delete from act where id in (select id from act where org is null order by id desc limit 5 for update skip locked) returning id)
           select count(*) from gone`,
        );
        await p.admin.query(`insert into act (id, grp) select g, 7 from generate_series(1, 400) g where not exists (select from act where id = g)`); // prettier-ignore
      },
    });
    await finish(mine);
    await tailPass();
    expect(await wrong()).toEqual([]);
    expect(await rows('select count(*)::int from act where org is null')).toEqual([[0]]);
  });

  it('rows that are slow to write and refused besides are not held for the sum of all tries', async () => {
    await seed(200, 'case when g % 9 = 4 then 8 else 1 end');
    await p.admin.query('create trigger t before update of org on act for each row execute function slow()');
    const app = await session();
    await p.admin.query(`select setval('tried_most', 1)`);
    let [updates, worst, stop] = [0, 0, false];
    const probing = (async () => {
      for (; !stop; updates += 1) {
        const began = performance.now();
        await app.query(`update act set title = $1 where id = 1 + ($1::int * 7) % 200`, [updates]);
        worst = Math.max(worst, performance.now() - began);
      }
    })();
    const mine = await lease(walk);
    let size = 200;
    for (let n = 0; n < 25; n += 1)
      if ((await chunk(mine, { rows: size })).kind !== 'written') size = Math.max(1, Math.floor(size / 2));
    stop = true;
    await probing;
    const [[most]] = (await rows('select last_value::int from tried_most')) as [[number]];
    console.log(`${walk}: 40 ms a row, every ninth refused: at most ${most} tries in one transaction, the application waited at most ${Math.round(worst)} ms in ${updates} updates`); // prettier-ignore
    // in tries, of which each takes 40 ms at least, since a slow machine only makes fewer of them fit; who wants one of the rows waits for one
    // transaction at a time, well below the server's default deadlock_timeout (1 s)
    expect(most).toBeGreaterThan(1);
    expect(most * 40).toBeLessThan(600);
    expect(updates).toBeGreaterThan(1);
    expect((await rows('select count(*)::int from act where org is not null'))[0]).not.toEqual([0]);
  });
});

it('F48 defaults of the database that would break a fill: SERIALIZABLE, read-only, another search path', async () => {
  const [database] = (await rows('select quote_ident(current_database())'))[0] as [string];
  await p.admin.query(
    `alter database ${database} set default_transaction_isolation = 'serializable'; alter database ${database} set search_path = 'nowhere'`,
  );
  const other = openDatabase(p.database.settings);
  try {
    await seed(3_000);
    const mine = await lease('blocks');
    for (let done = false; !done;) {
      const outcome = await chunkWritten(() => fillChunk(other.fill, target(), mine, { rows: 500, budget: { rowBudgetMs: 200 }, naming: 'ctid', sparse: false, shape: 'oneSnapshot' })); // prettier-ignore
      if (outcome.kind !== 'written') throw new Error(outcome.kind);
      done = outcome.done;
    }
    expect(await wrong()).toEqual([]);
  } finally {
    await other.close();
    await p.admin.query(`alter database ${database} reset all`);
  }
});
