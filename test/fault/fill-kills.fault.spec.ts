import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import {
  createRanges,
  fillChunk,
  leaseRange,
  openGate,
  type ChunkRequest,
  type FillTarget,
  type RangeLease,
} from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

/* A sweeper's death and its coming back: rows and cursor are one commit, and a lease that went to another is over. */
const { freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text);
create table act (id bigint primary key, grp int, org text, title text);
create table written (id bigint, by text, at timestamptz default clock_timestamp());
create function log_write() returns trigger language plpgsql security definer set search_path = public as
  'begin insert into written (id, by) values (new.id, current_setting(''application_name'')); return null; end';
create trigger log_write after update of org on act for each row execute function log_write();
insert into grp select g, 'o' || g from generate_series(1, 9) g`;
const plan = `
highwater: 1
migration: kills
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, to: grp(id), then: { column: org } } }
cutover: { mode: bridge, start: manual, window: 10m }
`;
const rowsAll = 4_000;

let p: Prepared;
let epoch = 0;
const children: ChildProcess[] = [];

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, { migrationId: 'kills', short: target().short }, ['sweep']);
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill('SIGCONT');
    child.kill('SIGKILL');
  }
  await p.admin.query('truncate act, written; truncate highwater.sweep_range, highwater.unfillable_row');
});
afterAll(() => p.close());

const target = (): FillTarget => p.targets[0] as FillTarget;
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
async function seed(walk: 'keys' | 'blocks', chunkRowsMax = 300): Promise<void> {
  epoch += 1;
  await p.admin.query(
    `insert into act (id, grp, title) select g, 1 + g % 9, repeat('x', 70) from generate_series(1, ${rowsAll}) g; analyze act`,
  );
  await createRanges(p.database.fill, target(), { epoch, workers: 2, chunkRowsMax, walk });
}
const lease = (owner: string): Promise<RangeLease | undefined> =>
  leaseRange(p.database.fill, { migrationId: 'kills', epoch, owner, targetNos: [0] });
/** The next range of the worker that dies all the time, or that none is left: a lease whose answer was lost with its connection ends by itself. */
const leased = async (): Promise<RangeLease | undefined> =>
  (
    await waitFor('a lease', async () => {
      const of = await lease('w');
      return (of !== undefined || (await open()) === 0) && { of };
    })
  ).of;
const open = async (): Promise<number> => (await rows(`select 1 from highwater.sweep_range where not done`)).length;
const oracle = async (): Promise<void> => {
  expect(
    await rows(`select count(*)::int, count(*) filter (where a.org is distinct from g.org)::int from act a join grp g on g.id = a.grp`),
  ).toEqual([[rowsAll, 0]]); // prettier-ignore
  // nothing was written twice
  expect(await rows('select count(*)::int, count(distinct id)::int from written')).toEqual([[rowsAll, rowsAll]]);
};

it.each(['keys', 'blocks'] as const)(
  'F11 F12 by %s: connections killed around the commit leave rows and cursor in step, and every row is written once',
  async (walk) => {
    await seed(walk);
    const request = (more: Partial<ChunkRequest>): ChunkRequest => ({
      rows: 40,
      budget: { rowBudgetMs: 200 },
      naming: 'ctid',
      sparse: false,
      shape: 'oneSnapshot',
      ...more,
    });
    let [killed, survived, n] = [0, 0, 0];
    for (let mine = await lease('w'); ;) {
      if (!mine) break;
      n += 1;
      const delayMs = (n % 7) / 3;
      // some die before the commit is sent, some while it is under way, some after it
      let death: Promise<unknown> | undefined;
      const onChunkWritten = async (): Promise<void> => {
        death = new Promise((resolve) => setTimeout(resolve, delayMs)).then(() =>
          p.admin.query(`select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'highwater/%/fill'`),
        ); // prettier-ignore
        if (n % 3 === 0) await death;
      };
      const outcome = await fillChunk(p.database.fill, target(), mine, request(n % 2 ? { onChunkWritten } : {})).catch(
        () => undefined,
      );
      await death;
      if (outcome?.kind === 'written') survived += 1;
      else killed += 1;
      expect(
        await rows(`select (select count(*) from act where org is not null) = sum(rows_filled) from highwater.sweep_range`),
      ).toEqual([[true]]); // prettier-ignore
      if (outcome?.kind === 'written' && outcome.done) mine = await leased();
      else if (outcome?.kind === 'leaseLost') mine = (await leased()) ?? mine;
      else if ((await open()) === 0) break;
      if (n > 2_000) throw new Error('the sweep does not come to an end');
    }
    console.log(`${walk}: ${killed} chunks killed around their commit, ${survived} survived`);
    expect(killed).toBeGreaterThan(10);
    await oracle();
  },
);

/** A process with one sweep worker, from the compiled code. */
function sweeperProcess(name: string, rowsPerSecond: number): ChildProcess {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../support/sweep-child.mjs', import.meta.url)), name], {
    env: {
      PATH: process.env['PATH'] ?? '',
      SWEEP: JSON.stringify({
        urls: p.database.settings.urls,
        epoch,
        migrationId: 'kills',
        limits: { ...p.plan.limits, sweepWorkers: 1, chunkRowsMax: 100, sweepRowsPerSecondMax: rowsPerSecond },
        targets: p.targets.map(({ derivation, ...rest }) => ({
          ...rest,
          derivation: { ...derivation, table: { ...derivation.table, columns: [] } },
        })),
      }),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  children.push(child);
  return child;
}
const filledBy = async (name: string): Promise<number> =>
  Number((await rows(`select count(*) from written where by like 'highwater/${name}%'`) as [string][])[0]?.[0]); // prettier-ignore
const theRange = () => rows(`select split_part(lease_owner, '/', 1), done from highwater.sweep_range`);

it('F10 F24 a frozen sweeper: its range goes to another when the lease ends, and what it wakes up to do is refused', async () => {
  await seed('blocks', 100_000); // one range: whoever writes has it
  const frozen = sweeperProcess('frozen', 50); // far from done when it is frozen, whenever that is
  await waitFor('the first process to fill', async () => (await filledBy('frozen')) > 0);
  frozen.kill('SIGSTOP');
  // what its transaction holds, if it has one open, its session's idle timeout ends after 5 s; the lease ends after 10 s
  sweeperProcess('other', 1_000);
  await waitFor('the other process to fill', async () => (await filledBy('other')) > 0, {
    describe: theRange,
  });
  const before = await filledBy('frozen');
  frozen.kill('SIGCONT');
  await waitFor('the range to be done', async () => JSON.stringify(await theRange()) === '[["other",true]]', {
    describe: theRange,
  });
  expect(await filledBy('frozen')).toBe(before);
  console.log(`frozen wrote ${before} rows before, none after; the other one ${await filledBy('other')}`);
  await oracle();
});
