import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  beginVerification,
  createRanges,
  fillBatch,
  fillChunk,
  installBridge,
  leaseRange,
  openGate,
  readMismatches,
  readVerification,
  repairPage,
  sweepStatement,
  verifyNextPage,
  type ChunkRequest,
  type FillTarget,
} from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

const { freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text, at timestamptz);
create table act (id bigint primary key, grp int references grp, org text, note text);
create table pair ("A b" text, n int, grp int, at timestamptz, primary key ("A b", n));
insert into grp select g, 'o' || g, timestamptz '2026-03-04 05:06:07.89+02' + make_interval(hours => g) from generate_series(1, 9) g`;
const plan = `
highwater: 1
migration: journaled
journal: true
repair: true
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
  - { table: pair, target: { column: at, type: timestamp with time zone }, rule: { via: grp, to: grp(id), then: { column: at } } }
`;

let p: Prepared;
beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, { migrationId: 'journaled', short: target(0).short }, ['live', 'sweep']);
});
afterAll(() => p.close());
beforeEach(() =>
  p.admin.query('truncate act, pair; truncate highwater.journal, highwater.sweep_range, highwater.mismatch'),
);

function target(n: number): FillTarget {
  const found = p.targets[n];
  if (!found) throw new Error(`no target ${n}`);
  return found;
}
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
const seed = (n: number): Promise<unknown> =>
  p.admin.query(
    `insert into act (id, grp) select g, 1 + g % 7 from generate_series(1, ${n}) g;
     insert into pair ("A b", n, grp) select 'a,"{' || chr(92) || g, g, 1 + g % 7 from generate_series(1, ${n}) g`,
  );
async function sweep(n: number, more: Partial<ChunkRequest> = {}): Promise<void> {
  await createRanges(p.database.fill, target(n), { epoch: 1, workers: 1, chunkRowsMax: 100 });
  const wanted = { migrationId: 'journaled', epoch: 1, owner: 'test', targetNos: [n] };
  for (let lease = await leaseRange(p.database.fill, wanted); lease; lease = await leaseRange(p.database.fill, wanted))
    for (let done = false; !done;) {
      const request = { rows: 40, budget: { rowBudgetMs: 200 }, naming: 'ctid', sparse: false, ...more } as const;
      const outcome = await fillChunk(p.database.fill, target(n), lease, request);
      if (outcome.kind === 'slow') continue; // beyond its time on a busy machine: nothing was written, the sweeper asks again too
      if (outcome.kind !== 'written') throw new Error(outcome.kind);
      done = outcome.done;
    }
}
/** Rows whose last entry is not what they hold, entries of rows without value included. */
const astray = (table: string, key: string, column: string, no: number): Promise<unknown[]> =>
  rows(`set timezone = 'UTC'; set datestyle = 'ISO, YMD'`).then(() =>
    rows(`select r.*, j.value from ${table} r full join
      (select distinct on (key) key, value from highwater.journal where target_no = ${no} order by key, entry_no desc) j on j.key = array[${key}]
      where r.${column}::text is distinct from j.value`),
  );

describe('the journal', () => {
  it.each([
    ['one snapshot', { shape: 'oneSnapshot' }],
    ['one snapshot, rows looked up', { shape: 'oneSnapshot', naming: 'key' }],
    ['lock first by ctid', { shape: 'lockFirst' }],
    ['lock first by key', { shape: 'lockFirst', naming: 'key' }],
  ] as const)('has each value of a sweep, %s, by key whatever its text', async (_, request) => {
    await seed(150);
    await p.admin.query(`update act set org = 'theirs' where id = 7`);
    for (const n of [0, 1]) await sweep(n, request);
    expect(await astray('act', 'r.id::text', 'org', 0)).toEqual([['7', 1, 'theirs', null, null]]);
    expect(await astray('pair', 'r."A b", r.n::text', 'at', 1)).toEqual([]);
    expect(await rows('select count(*)::int from highwater.journal')).toEqual([[149 + 150]]);
  });

  it('has each value of the live fill, and the last one where the application made the row NULL again', async () => {
    await seed(5);
    const hints = ['1', '2', '3'].map((key) => ({ key: [key], xid: '3', partition: 0 }));
    await fillBatch(p.database.fill, target(0), hints, { rowBudgetMs: 200 });
    await p.admin.query(`update act set org = null, grp = 9 where id = 2`);
    await fillBatch(p.database.fill, target(0), hints, { rowBudgetMs: 200 });
    expect(await rows(`select key, value from highwater.journal order by entry_no`)).toEqual([
      [['1'], 'o2'], [['2'], 'o3'], [['3'], 'o4'], [['2'], 'o9'],
    ]); // prettier-ignore
  });

  it('loses its entries with a chunk that is not committed', async () => {
    await seed(20);
    const lost = sweep(0, {
      shape: 'oneSnapshot',
      onChunkWritten: () => Promise.reject(new Error('lost')),
    });
    await expect(lost).rejects.toThrow('lost');
    expect(await rows('select (select count(*)::int from act where org is not null), count(*)::int from highwater.journal')).toEqual([[0, 0]]); // prettier-ignore
  });

  it('has what the bridge assigns, in the session of an application with settings of its own, and no more', async () => {
    for (const n of [0, 1])
      await installBridge(p.database, target(n), { mode: 'assign', reports: false }, { lockBudgetMs: 5_000, lockAttempts: 5 }); // prettier-ignore
    const application = new pg.Client({ connectionString: p.url });
    await application.connect();
    await application.query(`set datestyle = 'SQL, DMY'; set timezone = 'Asia/Tokyo'`);
    await application.query(`insert into pair ("A b", n, grp) values ('x', 1, 2)`);
    await application.query(`insert into act (id, grp) values (1, 2)`);
    await application.query(`insert into act (id, grp, org) values (2, 2, 'o2')`); // their own value, though ours would be the same
    await application.query(`insert into act (id, grp) values (2, 2) on conflict (id) do nothing`);
    await application.query(`begin; insert into act (id, grp) values (3, 2); rollback`);
    await application.end();
    expect(await astray('pair', 'r."A b", r.n::text', 'at', 1)).toEqual([]);
    expect(await rows('select target_no, key, value from highwater.journal where target_no = 0')).toEqual([
      [0, ['1'], 'o2'],
    ]);
    const held = await rows(
      `select p, has_table_privilege('${p.roles.bridge}', 'highwater.journal', p) from unnest('{select,insert,update,delete}'::text[]) p`,
    );
    expect(held).toEqual([['select', false], ['insert', true], ['update', false], ['delete', false]]); // prettier-ignore
    await p.admin.query(
      `do $$ declare t record; begin for t in select tgname, tgrelid::regclass as on from pg_trigger where tgname like '~hw%' loop execute format('drop trigger %I on %s', t.tgname, t.on); end loop; end $$`,
    );
  });

  it('costs a plan without one nothing: its statements are the same text', () => {
    const { journal, ...derivation } = target(0).derivation;
    expect(journal).toBe(true);
    expect(sweepStatement({ ...target(0), derivation })).not.toContain('with');
    expect(sweepStatement(target(0))).toContain('insert into highwater.journal');
  });
});

describe('repair', () => {
  const verify = async (run: string): Promise<void> => {
    await beginVerification(p.database.fill, [target(0)], run);
    await waitFor('the end of the table', () => verifyNextPage(p.database.fill, target(0), run), { everyMs: 1 });
  };
  const mismatches = async (): Promise<unknown> =>
    (await readMismatches(p.database.state, 'journaled')).map((one) => [one.key[0], one.kept]);

  it('sets right what we wrote and nobody changed since; everything else stays and says why', async () => {
    await seed(40);
    await p.admin.query(`update act set org = 'theirs' where id = 1`); // before us
    await sweep(0);
    await p.admin.query(`update act set org = 'changed' where id = 2`);
    await p.admin.query(`update act set grp = 8 where id in (3, 4)`); // a source that moved
    await p.admin.query(`update act set grp = null where id = 5`);
    await p.admin.query(`alter table act add constraint not_here check (id <> 4 or org <> 'o8')`);
    await p.admin.query(`update act set grp = 9 where id = 6`);
    const application = new pg.Client({ connectionString: p.url });
    await application.connect();
    await application.query(`begin; update act set note = 'in progress' where id = 6`);
    const before = await rows('select id, grp, org from act where id not in (3) order by id');
    await verify('first');
    expect(await mismatches()).toEqual(['1', '2', '3', '4', '5', '6'].map((id) => [id, null]));
    await waitFor('every mismatch looked at', async () =>
      (await repairPage(p.database.fill, target(0), 100, 200))?.left === false, { everyMs: 1 }); // prettier-ignore
    expect(await mismatches()).toEqual([
      ['1', 'NotJournaled'], ['2', 'ChangedSince'], ['4', 'WriteRefused'], ['5', 'NoValue'], ['6', 'RowHeld'],
    ]); // prettier-ignore
    expect(await rows('select org from act where id = 3')).toEqual([['o8']]);
    expect(await rows('select id, grp, org from act where id not in (3) order by id')).toEqual(before);
    expect(await rows(`select value from highwater.journal where key = '{3}' order by entry_no`)).toEqual([
      ['o4'], ['o8'],
    ]); // prettier-ignore
    expect(await readVerification(p.database.state, 'journaled')).toMatchObject([{ mismatches: 5, repaired: 1 }]);
    await application.query('commit');
    await application.end();
    await verify('second'); // tried anew
    expect(await repairPage(p.database.fill, target(0), 100, 200)).toMatchObject({ repaired: 0 }); // row 4 is refused first
    await p.admin.query(`alter table act drop constraint not_here`);
    await verify('third');
    expect(await repairPage(p.database.fill, target(0), 100, 200)).toEqual({ repaired: 2, kept: 3, left: false });
  });

  it('writes nothing while the gate is closed', async () => {
    await seed(10);
    await sweep(0);
    await p.admin.query('update act set grp = 9');
    await verify('closed');
    await p.admin.query('update highwater.gate set sweep_open = false');
    expect(await repairPage(p.database.fill, target(0), 100, 200)).toBeUndefined();
    await p.admin.query('update highwater.gate set sweep_open = true');
    expect(await repairPage(p.database.fill, target(0), 100, 200)).toMatchObject({ repaired: 10, left: false });
  });
});
