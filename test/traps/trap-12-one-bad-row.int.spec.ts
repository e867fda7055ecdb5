import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { encodeHint } from '@highwater/change-stream';
import { HintProducer } from '@highwater/messaging';
import { Sweeper } from '@highwater/roles';
import { createRanges, openDatabase, openGate, openRanges, readFillProgress } from '@highwater/target-db';
import { openFaultProxy } from '../support/fault-proxy.js';
import { liveFill, type Live } from '../support/live.js';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { quiet } from '../support/stream.js';

/*
 * Trap 12: one bad row fails a whole batch. Five rows that the server refuses, each for another reason, among two hundred good ones: through
 * the live path with Kafka, and through the sweep.
 */
const { server, freshDatabase } = usePostgres();

const schema = `
create table org (id text primary key);
create table grp (id int primary key, org text);
create table act (id bigint primary key, grp int references grp, org text references org, title text,
                  constraint not_forbidden check (org <> 'forbidden'));
create unique index act_title_org on act (title, org);
create function stubborn() returns trigger language plpgsql as $$ begin
  if new.title = 'raise' then raise exception 'this row is not to be touched'; end if; return new; end $$;
create trigger stubborn before update on act for each row execute function stubborn();
insert into org values ('o1'), ('o2'), ('forbidden');
insert into grp values (1, 'o1'), (2, 'o2'), (3, 'forbidden'), (4, 'no such org'), (5, null)`;
const plan = `
highwater: 1
migration: bad
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
`;
/** 1 … 200 good ones; 11, 51, 91, 131, 171 bad ones among them; 1000 already has what 11 would get. */
const rowsSql = `
insert into act (id, grp, org, title) values (1000, 1, 'o1', 'twin');
insert into act (id, grp, title)
select g, case g when 91 then 3 when 131 then 4 when 171 then 5 else 1 + g % 2 end * case when g in (11, 51) then 0 else 1 end + case when g in (11, 51) then 1 else 0 end,
       case g when 11 then 'twin' when 51 then 'raise' else 'title ' || g end
  from generate_series(1, 200) g`;

let p: Prepared;
let live: Live | undefined;
let sweeper: Sweeper | undefined;

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, { migrationId: 'bad', short: p.targets[0]?.short ?? '' }, ['live', 'sweep']);
});
beforeEach(() => p.admin.query('truncate act; truncate highwater.unfillable_row, highwater.sweep_range'));
afterEach(async () => {
  await live?.close();
  await sweeper?.stop();
  live = sweeper = undefined;
});
afterAll(() => p.close());

const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;

/** Each bad row with its reason, every other row with its value; nothing of the values in the list. */
async function oracle(): Promise<void> {
  expect(
    await rows(
      `select key[1]::int, reason, sqlstate, constraint_name from highwater.unfillable_row where closed_at is null order by 1`,
    ),
  ).toEqual([
    [11, 'UniqueConflict', '23505', 'act_title_org'],
    [51, 'TriggerRaised', 'P0001', null],
    [91, 'CheckViolation', '23514', 'not_forbidden'],
    [131, 'ReferentMissing', '23503', 'act_org_fkey'],
    [171, 'InputNull', null, null],
  ]);
  expect(await rows(`select array_agg(id::int order by id) from act where org is null`)).toEqual([
    [[11, 51, 91, 131, 171]],
  ]);
  expect(
    await rows(
      `select count(*)::int from act a join grp g on g.id = a.grp where a.org is not null and a.org is distinct from g.org`,
    ),
  ).toEqual([[0]]);
}

/**
 * 195 filled, five listed, nothing under way. A member that was late for its heartbeat gets its hints again: rows are then `already`, the others
 * are counted once more, so the list is asked too.
 */
async function settled(of: Live | undefined): Promise<boolean> {
  const { verdicts, unsettled } = of?.filler.status() ?? { verdicts: { filled: 0 }, unsettled: 0 };
  const [listed] = await rows('select count(*)::int from highwater.unfillable_row where closed_at is null');
  return verdicts.filled === 195 && unsettled === 0 && String(listed) === '5';
}

it('the trap is real: one of them fails the obvious statement for all', async () => {
  await p.admin.query(rowsSql);
  const all = `update act a set org = g.org from grp g where g.id = a.grp and a.org is null`;
  await expect(p.admin.query(all)).rejects.toMatchObject({ code: /^(23505|23503|23514|P0001)$/ });
  expect(await rows('select count(*)::int from act where org is null')).toEqual([[200]]);
});

it('live fill lists them and fills the rest; keys that do not cast are dead letters; the partition goes on', async () => {
  live = await liveFill(p);
  const { filler, stream, kafka } = live;
  const producer = new HintProducer(kafka, stream.topic);
  await producer.connect();
  const forged = (key: string[]): string =>
    encodeHint({ v: 1, kind: 'row', migration: 'bad', epoch: 1, table: ['public', 'act'], key, xid: '3', lsn: '0/1' });
  await producer.send(
    [0, 1].flatMap((partition) => [
      { partition, value: forged(['not a number']) },
      { partition, value: forged(['99999999999999999999']) },
    ]),
  );
  await p.admin.query(rowsSql);
  const state = { describe: () => [filler.status(), live?.relay.status()] };
  await waitFor('every hint to be settled', async () => (await settled(live)) && filler.status().verdicts.dead_letter >= 4, state); // prettier-ignore
  await oracle();
  // what comes behind them in the same partitions is filled as ever
  await p.admin.query(`insert into act (id, grp, title) select g, 2, 'later ' || g from generate_series(2001, 2020) g`);
  await waitFor('the rows behind', () => filler.status().verdicts.filled === 215, state);
  await producer.close();
  await oracle();
});

it('live fill has an answer for every hint over a slow link, where no transaction has the time to single out all of them', async () => {
  const proxy = await openFaultProxy({ port: server().port, protocol: 'postgres' });
  const { urls } = p.database.settings;
  const database = openDatabase({ ...p.database.settings, urls: { ...urls, fill: proxy.url(urls.fill) } });
  proxy.latency({ ms: 5 });
  try {
    live = await liveFill({ ...p, database });
    const { filler } = live;
    await p.admin.query(rowsSql);
    const answered = (): boolean => {
      const { verdicts } = filler.status();
      return verdicts.filled + verdicts.unfillable + verdicts.contended >= 200;
    };
    await waitFor('every hint to be settled', async () => answered() && (await settled(live)), {
      describe: () => filler.status(),
    });
    expect(filler.status().verdicts).toMatchObject({ filled: 195, contended: 0 });
    await oracle();
  } finally {
    await live?.close();
    live = undefined;
    await database.close();
    await proxy.close();
  }
});

it('the sweep lists them, fills the rest, and its cursor passes them', async () => {
  await p.admin.query(rowsSql);
  const target = p.targets[0];
  if (!target) throw new Error('no target');
  let contended = 1;
  // a row that alone was too slow for a busy server is the next pass's
  for (let epoch = 1; contended > 0 && epoch < 20; epoch += 1) {
    await createRanges(p.database.fill, target, { epoch, workers: 1, chunkRowsMax: 1_000 });
    const working = (sweeper = new Sweeper({
      database: p.database,
      migrationId: 'bad',
      epoch,
      stream: null,
      targets: p.targets,
      limits: p.plan.limits,
      logger: quiet,
    }));
    await working.start();
    const passed = async (): Promise<boolean> =>
      openRanges(await readFillProgress(p.database.state, 'bad', epoch)) === 0;
    await waitFor('the pass to end', passed, { describe: () => working.status() });
    await working.stop();
    const left = `select sum(rows_contended)::int from highwater.sweep_range where epoch = ${epoch}`;
    contended = Number((await rows(left))[0]);
  }
  await oracle();
});

it('a row that was mended is filled by the next look, and leaves the list', async () => {
  live = await liveFill(p);
  const { filler, stream, kafka } = live;
  await p.admin.query(`insert into act (id, grp, title) values (1, 4, 'x')`);
  await waitFor('it to be listed', () => filler.status().verdicts.unfillable >= 1, {
    describe: () => filler.status(),
  });
  await p.admin.query(`insert into org values ('no such org')`);
  const producer = new HintProducer(kafka, stream.topic);
  await producer.connect();
  const again = { v: 1, kind: 'row', migration: 'bad', epoch: 1, table: ['public', 'act'], key: ['1'], xid: '3', lsn: '0/1' } as const; // prettier-ignore
  await producer.send([{ partition: 0, value: encodeHint(again) }]);
  await waitFor('it to be filled', () => filler.status().verdicts.filled === 1, { describe: () => filler.status() });
  await producer.close();
  expect(await rows('select org from act')).toEqual([['no such org']]);
  await p.admin.query(`delete from act; delete from org where id = 'no such org'`);
});
