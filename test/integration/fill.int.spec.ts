import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import pg from 'pg';
import {
  closeUnfillable,
  CommitWitness,
  fillBatch,
  heldSomewhere,
  openDatabase,
  openGate,
  type FillHint,
  type HintVerdict,
} from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor, withinLimit } from '../support/stack.js';
import { withoutLimits } from '../support/without-limits.js';

const { freshDatabase } = usePostgres();

const schema = `
create table org (id text primary key);
create table grp (id int primary key, org text, note text);
create table act (id bigint primary key, grp int references grp, org text references org, ws text, title text, was_null boolean);
create table pair ("A b" text, n int, grp int references grp, ws text, primary key ("A b", n));
create unique index act_uniq on act (title, org) where title is not null;
alter table act add constraint short_org check (org <> 'forbidden');
create function stubborn() returns trigger language plpgsql as $$ begin
  if new.title = 'suppress' then return null; end if;
  if new.title = 'take back' then new.ws := null; end if;
  if new.title = 'raise' then raise exception 'no'; end if;
  return new; end $$;
create trigger stubborn before update on act for each row execute function stubborn();
insert into org values ('o1'), ('o2');
insert into grp values (1, 'o1'), (2, 'o2'), (3, null), (4, 'nowhere'), (5, 'forbidden')`;

const plan = `
highwater: 1
migration: fill
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
  - { table: act, target: { column: ws, type: text }, rule: { via: grp, then: { column: org } } }
  - { table: pair, target: { column: ws, type: text }, rule: { via: grp, then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
`;

let p: Prepared;
const budget = { rowBudgetMs: 200 };
const sessions: pg.Client[] = [];

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, { migrationId: 'fill', short: target(0).short }, ['live', 'sweep']);
});
afterAll(() => p.close());
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end().catch(() => undefined);
  await p.admin.query('truncate act, pair; truncate highwater.unfillable_row, highwater.fill_tally');
});

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
const hint = (key: (string | number)[], more: Partial<FillHint> = {}): FillHint => ({
  key: key.map(String),
  xid: '3',
  partition: 0,
  ...more,
});
async function fillOnce(n: number, hints: readonly FillHint[], by = p.database.fill): Promise<HintVerdict[]> {
  const outcome = await fillBatch(by, target(n), hints, budget);
  if (outcome.kind !== 'judged') throw new Error(outcome.kind);
  return [...outcome.verdicts];
}
/** As the filler does: hints that a busy machine left no time for, the row budget spent, are looked at again. */
async function fill(n: number, hints: FillHint[]): Promise<HintVerdict[]> {
  const verdicts: HintVerdict[] = [];
  let open = [...hints.keys()];
  await waitFor('a batch that is not cut off', async () => {
    const began = performance.now();
    const found = await fillOnce(
      n,
      open.map((at) => hints[at] as FillHint),
    );
    // rows are singled out during the first half alone
    const cutOff = performance.now() - began >= budget.rowBudgetMs / 2;
    open.forEach((at, i) => (verdicts[at] = found[i] as HintVerdict));
    open = open.filter((at) => cutOff && verdicts[at]?.verdict === 'contended');
    return open.length === 0;
  });
  return verdicts;
}
/** Beside a writer that holds the first of two rows: without the limits that would end a wait, what comes back has not waited. The writer rolls back. */
async function oneContended(
  writer: pg.Client,
  what: string,
  dropped: Parameters<typeof withoutLimits>[1],
): Promise<void> {
  const unlimited = withoutLimits(p.database, dropped);
  try {
    const batch = fillOnce(0, [hint([1]), hint([2])], unlimited.fill);
    expect(names(await withinLimit(`the batch beside ${what}`, batch))).toEqual(['contended', 'filled']);
  } finally {
    await writer.query('rollback');
    await unlimited.close();
  }
}
const names = (verdicts: HintVerdict[]): string[] => verdicts.map((v) => v.verdict);
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;

describe('verdicts of a live batch', () => {
  it('fills, and says already, gone and unfillable, each by its ordinal', async () => {
    await p.admin.query(
      `insert into act (id, grp, org) values (1, 1, null), (2, 2, 'o1'), (3, 3, null), (4, null, null)`,
    );
    const verdicts = await fill(0, [hint([9]), hint([4]), hint([3]), hint([2]), hint([1])]);
    expect(verdicts).toEqual([
      { verdict: 'gone' },
      { verdict: 'unfillable', reason: 'InputNull' },
      { verdict: 'unfillable', reason: expect.any(String) as string },
      { verdict: 'already' },
      { verdict: 'filled' },
    ]);
    expect(await rows('select id, org from act order by id')).toEqual([['1', 'o1'], ['2', 'o1'], ['3', null], ['4', null]]); // prettier-ignore
    expect(await rows('select partition, filled, already, gone, unfillable from highwater.fill_tally')).toEqual([
      [0, '1', '1', '1', '2'],
    ]);
  });

  it("takes '6' and '06' as one bigint key: one effect, two verdicts", async () => {
    await p.admin.query(`insert into act (id, grp) values (6, 1)`);
    expect(names(await fill(0, [hint(['6']), hint(['06'])]))).toEqual(['filled', 'already']);
  });

  it('answers again with no effect when the batch is delivered twice', async () => {
    await p.admin.query(`insert into act (id, grp) values (1, 1)`);
    await fill(0, [hint([1])]);
    const before = await rows('select xmin::text, ctid::text from act');
    expect(names(await fill(0, [hint([1])]))).toEqual(['already']);
    expect(await rows('select xmin::text, ctid::text from act')).toEqual(before);
  });

  it('parks a hint whose transaction is not visible, whatever the row looks like (DELETE k; INSERT k)', async () => {
    await p.admin.query(`insert into act (id, grp, org) values (1, 1, 'o1')`);
    const writer = await session();
    await writer.query('begin');
    const { rows: xids } = await writer.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
    const xid = String(xids[0]?.xid);
    await writer.query('delete from act where id = 1; insert into act (id, grp) values (1, 2)');
    expect(names(await fill(0, [hint([1], { xid })]))).toEqual(['parked']);
    expect(await heldSomewhere(p.database.fill, [xid, '99999999'])).toEqual(new Set([xid]));
    await writer.query('commit');
    expect(names(await fill(0, [hint([1], { xid, parkedBefore: true })]))).toEqual(['filled']);
    expect(await rows('select org from act')).toEqual([['o2']]);
    expect(await heldSomewhere(p.database.fill, [xid])).toEqual(new Set());
  });

  it('sees a prepared transaction as held', async () => {
    const writer = await session();
    await writer.query('begin');
    const { rows: xids } = await writer.query<{ xid: string }>('select pg_current_xact_id()::text as xid');
    await writer.query(`insert into act (id, grp) values (7, 1); prepare transaction 'slow'`);
    const xid = String(xids[0]?.xid);
    expect(await heldSomewhere(p.database.fill, [xid])).toEqual(new Set([xid]));
    await writer.query(`rollback prepared 'slow'`);
    expect(await heldSomewhere(p.database.fill, [xid])).toEqual(new Set());
  });

  it('judges a forged transaction id when forced', async () => {
    await p.admin.query(`insert into act (id, grp) values (1, 1)`);
    const xid = '4611686018427387904';
    expect(names(await fill(0, [hint([1], { xid })]))).toEqual(['parked']);
    expect(names(await fill(0, [hint([1], { xid, forced: true })]))).toEqual(['filled']);
  });

  it('skips a row that somebody holds, without waiting', async () => {
    await p.admin.query(`insert into act (id, grp) values (1, 1), (2, 1)`);
    const writer = await session();
    await writer.query(`begin; update act set title = 'x' where id = 1`);
    await oneContended(writer, 'the held row', ['lock_timeout', 'statement_timeout']);
  });

  it('makes dead letters of keys that do not cast, and fills the rest', async () => {
    await p.admin.query(`insert into act (id, grp) values (1, 1), (2, 1)`);
    const verdicts = await fill(0, [hint(['x']), hint([1]), hint([1, 2]), hint(['99999999999999999999']), hint([2])]);
    expect(names(verdicts)).toEqual(['dead_letter', 'filled', 'dead_letter', 'dead_letter', 'filled']);
  });

  it('fills composite and quoted keys, and two targets of one table', async () => {
    await p.admin.query(
      `insert into pair values ('x "y" \\', 1, 1), ('z', 2, 2); insert into act (id, grp) values (1, 2)`,
    );
    expect(names(await fill(2, [hint(['z', 2]), hint(['x "y" \\', 1]), hint(['z', 1])]))).toEqual([
      'filled',
      'filled',
      'gone',
    ]);
    expect(names(await fill(0, [hint([1])]))).toEqual(['filled']);
    expect(names(await fill(1, [hint([1])]))).toEqual(['filled']);
    expect(await rows('select org, ws from act')).toEqual([['o2', 'o2']]);
  });
});

describe('rows that the server refuses', () => {
  it('are listed with reason, SQLSTATE and constraint, and never stop the others', async () => {
    await p.admin
      .query(`insert into act (id, grp, title, org) values (1, 1, null, null), (2, 4, null, null), (3, 5, null, null),
      (4, 1, 'twin', 'o1'), (5, 1, 'twin', null), (6, 1, 'raise', null), (7, 1, 'suppress', null), (8, 2, null, null)`);
    const verdicts = await fill(
      0,
      [1, 2, 3, 5, 6, 7, 8].map((id) => hint([id])),
    );
    expect(names(verdicts)).toEqual([
      'filled',
      'unfillable',
      'unfillable',
      'unfillable',
      'unfillable',
      'unfillable',
      'filled',
    ]);
    expect(
      await rows('select key[1], reason, sqlstate, constraint_name from highwater.unfillable_row order by key'),
    ).toEqual([
      ['2', 'ReferentMissing', '23503', 'act_org_fkey'],
      ['3', 'CheckViolation', '23514', 'short_org'],
      ['5', 'UniqueConflict', '23505', 'act_uniq'],
      ['6', 'TriggerRaised', 'P0001', null],
      ['7', 'WriteSuppressed', null, null],
    ]);
  });

  it('are WriteSuppressed when a trigger puts NULL back', async () => {
    await p.admin.query(`insert into act (id, grp, title) values (1, 1, 'take back'), (2, 1, 'x')`);
    expect(await fill(1, [hint([1]), hint([2])])).toEqual([
      { verdict: 'unfillable', reason: 'WriteSuppressed' },
      { verdict: 'filled' },
    ]);
  });

  it('leave the list when they are filled, repaired or gone', async () => {
    await p.admin.query(`insert into act (id, grp) values (1, 3), (2, 3), (3, 3), (4, 3)`);
    await fill(
      0,
      [1, 2, 3, 4].map((id) => hint([id])),
    );
    await p.admin.query(
      `update act set grp = 1 where id = 1; update act set org = 'o2' where id = 2; delete from act where id = 3`,
    );
    await fill(0, [hint([1])]);
    expect(await closeUnfillable(p.database.fill, target(0))).toBe(3);
    expect(await rows('select key[1] from highwater.unfillable_row where closed_at is null')).toEqual([['4']]);
  });

  it('wait for nobody: a unique key under way is contended, not a stalled batch', async () => {
    await p.admin.query(`insert into act (id, grp, title) values (1, 1, 'twin'), (2, 1, null)`);
    const writer = await session();
    await writer.query(`begin; insert into act (id, grp, title, org) values (3, 1, 'twin', 'o1')`);
    // only what a fill sets for waits on locks ends its wait for the key
    await oneContended(writer, 'the key under way', ['statement_timeout']);
  });
});

it('trap 11: a parent that moves in the transaction that changes the child never gives a mixed value', async () => {
  const writer = await session();
  const mixed: unknown[] = [];
  for (let n = 0; n < 60; n += 1) {
    await p.admin.query(
      `truncate act; update grp set org = 'before${n}' where id = 2; insert into act (id, grp) values (1, 1)`,
    );
    const moved = writer.query(
      `begin; update act set grp = 2, was_null = ws is null where id = 1; update grp set org = 'after${n}' where id = 2; select pg_sleep(0.003); commit`,
    );
    while ((await fill(1, [hint([1])]))[0]?.verdict === 'contended');
    await moved;
    const [[ws, wasNull]] = (await rows('select ws, was_null from act')) as [[string, boolean]];
    // filled before the move: o1, which the row said then; after it: after<n>. before<n>, or o1 on the moved row, is of no state of the database
    if (ws !== (wasNull ? `after${n}` : 'o1')) mixed.push([ws, wasNull]);
  }
  expect(mixed).toEqual([]);
});

it('a fill that comes after the end of its assignment opens no session that nobody would give back', async () => {
  const database = openDatabase(p.database.settings);
  const lost: string[] = [];
  const witness = new CommitWitness(database.fill, (why) => lost.push(why));
  try {
    // the partitions are revoked between the two targets of one batch
    await witness.during(() => Promise.resolve(witness.end()));
    await expect(witness.during(() => Promise.resolve())).rejects.toThrow(
      'the assignment that asked for the fill is over',
    );
    await expect(witness.flush()).rejects.toThrow('is over'); // an offset must not be committed on its word
    expect(lost).toEqual([]);
  } finally {
    await withinLimit('every session to be given back', database.close());
  }
});
