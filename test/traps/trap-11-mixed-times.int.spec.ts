import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import pg from 'pg';
import { createRanges, fillBatch, fillChunk, leaseRange, openGate, type FillTarget } from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

/*
 * Trap 11: EvalPlanQual mixes times. An UPDATE under READ COMMITTED that meets a row changed since its snapshot writes the new row with the
 * old snapshot's parents. The interleaving is made, not awaited: a trigger of the user's holds the writing statement at row 1 until the
 * application has moved row 2 to another parent and changed that parent in the same transaction, or waits for us to be done with row 2.
 */
const { freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text);
create table act (id bigint primary key, grp int references grp, org text, was_null boolean);
create table reached (at timestamptz);
create function wait_for_the_application() returns trigger language plpgsql security definer set search_path = public, pg_catalog as $$ begin
  if new.org is null or old.org is not null then return new; end if;
  perform pg_advisory_xact_lock_shared(11, 1);
  while not exists (select from pg_locks where locktype = 'advisory' and classid = 11 and objid = 2)
    and not exists (select from pg_locks where not granted and locktype in ('transactionid', 'tuple')) loop
    perform pg_sleep(0.001);
  end loop;
  return new; end $$;
create trigger wait_for_the_application before update on act for each row when (new.id = 1) execute function wait_for_the_application()`;
const plan = `
highwater: 1
migration: times
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
`;

const budget = { rowBudgetMs: 250 };
let p: Prepared;
let target: FillTarget;
let epoch = 0;
const sessions: pg.Client[] = [];

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  target = p.targets[0] as FillTarget;
  await openGate(p.database.state, { migrationId: 'times', short: target.short }, ['live', 'sweep']);
});
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end();
});
afterAll(() => p.close());

async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', () => undefined);
  await client.connect();
  sessions.push(client);
  return client;
}

/** Row 1 and row 2 are children of group 1; group 2 has a value that no child ever had. */
const seed = (): Promise<unknown> =>
  p.admin.query(`truncate act, grp; insert into grp values (1, 'old parent'), (2, 'never a parent while it said so');
    insert into act (id, grp) values (1, 1), (2, 1)`);

/**
 * Once the statement under test stands at row 1: the application moves row 2 to group 2 and changes group 2, one transaction. Holds the
 * advisory lock (11, 2) from then on, so that the trigger lets go, in later attempts at once.
 */
async function whileItWrites<T>(writing: () => Promise<T>): Promise<T> {
  const [app, flag] = [await session(), await session()];
  await seed();
  const written = writing();
  let settled = false;
  const ended = written.finally(() => (settled = true));
  ended.catch(() => undefined); // awaited below
  await waitFor(
    'the statement to stand at row 1',
    async () =>
      settled ||
      (await flag.query(`select from pg_locks where locktype = 'advisory' and classid = 11 and objid = 1`)).rowCount ===
        1,
    { everyMs: 1 },
  );
  await app.query(
    `begin; update act set grp = 2, was_null = org is null where id = 2; update grp set org = 'moved to' where id = 2; commit`,
  );
  await flag.query('select pg_advisory_lock_shared(11, 2)');
  // also when it failed: the next one must wait for the application again
  return ended.finally(() => flag.query('select pg_advisory_unlock_shared(11, 2)'));
}

/** What a state of the database ever said of row 2: `old parent` before the move, `moved to` after it. */
const oracle = async (): Promise<{ org: string | null; mixed: boolean }> =>
  (
    await p.admin.query<{ org: string | null; mixed: boolean }>(
      `select a.org, a.org is distinct from case when a.was_null then 'moved to' else 'old parent' end as mixed
         from act a where a.id = 2`,
    )
  ).rows[0] as { org: string | null; mixed: boolean };

it('the trap is real: one UPDATE under READ COMMITTED writes a value of no state of the database', async () => {
  const naive = await session();
  await whileItWrites(() =>
    naive.query(`update act as t set org = g.org from grp g where g.id = t.grp and t.org is null and t.id in (1, 2)`),
  );
  const joined = await oracle();
  await whileItWrites(() =>
    naive.query(`update act as t set org = (select g.org from grp g where g.id = t.grp) where t.org is null`),
  );
  const scalar = await oracle();
  expect([joined, scalar]).toEqual([
    // the row as it is now no longer fits the join and is left; or it gets what the other parent said before
    { org: null, mixed: true },
    { org: 'never a parent while it said so', mixed: true },
  ]);
});

/** The user's slow trigger may use up our budget on a loaded machine: then nothing was written and the same is tried again. */
async function untilFilled(fill: () => Promise<boolean>): Promise<void> {
  await waitFor('the row', async () => {
    const done = await whileItWrites(fill);
    if (!done && (await oracle()).org === null) return false;
    return true;
  });
}

it('a live batch writes what one state said', async () => {
  const hint = (id: number) => ({ key: [String(id)], xid: '3', partition: 0 });
  await untilFilled(async () => {
    const outcome = await fillBatch(p.database.fill, target, [hint(1), hint(2)], budget);
    return outcome.kind === 'judged' && outcome.verdicts[1]?.verdict === 'filled';
  });
  expect(await oracle()).toMatchObject({ mixed: false });
});

it.each([
  ['rows named by ctid, locked first', { walk: 'keys', naming: 'ctid', shape: 'lockFirst' }],
  ['rows named by key, locked first', { walk: 'keys', naming: 'key', shape: 'lockFirst' }],
  ['a range of keys on one snapshot', { walk: 'keys', naming: 'ctid', shape: 'oneSnapshot' }],
  ['blocks on one snapshot', { walk: 'blocks', naming: 'ctid', shape: 'oneSnapshot' }],
] as const)('a sweep chunk, %s, writes what one state said', async (_, { walk, naming, shape }) => {
  const inVain: boolean[] = [];
  await untilFilled(async () => {
    epoch += 1;
    await createRanges(p.database.fill, target, { epoch, workers: 1, chunkRowsMax: 100, walk });
    const lease = await leaseRange(p.database.fill, { migrationId: 'times', epoch, owner: 'test', targetNos: [0] });
    if (!lease) throw new Error('no range to sweep');
    const request = { rows: 100, budget, naming, sparse: false, shape };
    const outcome = await fillChunk(p.database.fill, target, lease, request);
    if (outcome.kind === 'written') inVain.push(outcome.inVain);
    return outcome.kind === 'written' && outcome.filled === 2;
  });
  expect(await oracle()).toMatchObject({ mixed: false });
  // the one snapshot did not pass: it would have had to write a row that had changed (by blocks the planner may come to row 2 first)
  if (walk === 'keys' && shape === 'oneSnapshot') expect(inVain.at(-1)).toBe(true);
});
