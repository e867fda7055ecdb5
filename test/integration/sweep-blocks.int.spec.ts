import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import pg from 'pg';
import { Sweeper } from '@highwater/roles';
import {
  bridgeName,
  closeGate,
  createRanges,
  fillChunk,
  leaseRange,
  openGate,
  openRanges,
  readFillProgress,
  type ChunkOutcome,
  type ChunkRequest,
  type FillTarget,
  type RangeLease,
} from '@highwater/target-db';
import { chunkWritten } from '../support/chunk-written.js';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor, withinLimit } from '../support/stack.js';
import { quiet } from '../support/stream.js';
import { withoutLimits } from '../support/without-limits.js';

/* The sweep over the blocks of a table, in rounds, each chunk on one snapshot first. */
const { freshDatabase } = usePostgres();

const schema = `
create table grp (id int primary key, org text, up int);
create table act (id bigint primary key, grp int, org text, title text);
create table own (id bigint primary key, src text, org text);
alter table act add constraint allowed check (org <> 'forbidden');
insert into grp select g, case g when 9 then null when 8 then 'forbidden' else 'o' || g end, g % 3 from generate_series(1, 9) g`;
const plan = `
highwater: 1
migration: blocks
tables:
  - { table: act, target: { column: org, type: text }, rule: { via: grp, to: grp(id), then: { column: org } } }
  - { table: own, target: { column: org, type: text }, rule: src }
cutover: { mode: bridge, start: manual, window: 10m }
limits: { sweepWorkers: 2 }
`;

let p: Prepared;
let epoch = 0;
const budget = { rowBudgetMs: 200 };
const sessions: pg.Client[] = [];
let sweeper: Sweeper | undefined;

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, gate(), ['sweep']);
});
afterEach(async () => {
  await sweeper?.stop();
  sweeper = undefined;
  for (const session of sessions.splice(0)) await session.end().catch(() => undefined);
  await p.admin.query('truncate act, own; truncate highwater.sweep_range, highwater.unfillable_row');
  await openGate(p.database.state, gate(), ['sweep']);
});
afterAll(() => p.close());

const target = (n = 0): FillTarget => p.targets[n] as FillTarget;
const gate = () => ({ migrationId: 'blocks', short: target().short });
async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', () => undefined);
  await client.connect();
  sessions.push(client);
  return client;
}
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
const nulls = async (table = 'act'): Promise<number> =>
  Number((await p.admin.query<{ n: string }>(`select count(*) as n from ${table} where org is null`)).rows[0]?.n);
/** About 60 rows a page, in the order of their keys. */
const seed = (n: number, group = '1 + g % 7'): Promise<unknown> =>
  p.admin.query(
    `insert into act (id, grp, title) select g, ${group}, repeat('x', 70) from generate_series(1, ${n}) g; analyze act`,
  );
async function lease(n = 0): Promise<RangeLease> {
  epoch += 1;
  await createRanges(p.database.fill, target(n), { epoch, workers: 1, chunkRowsMax: 100_000, walk: 'blocks' });
  const found = await leaseRange(p.database.fill, { migrationId: 'blocks', epoch, owner: 'test', targetNos: [n] });
  if (!found) throw new Error('no free range');
  return found;
}
const request = (more: Partial<ChunkRequest> = {}): ChunkRequest => ({
  rows: 300,
  budget,
  naming: 'ctid',
  sparse: false,
  shape: 'oneSnapshot',
  ...more,
});
type Written = Extract<ChunkOutcome, { kind: 'written' }>;
/** One pass. A chunk that a busy server was too slow for is asked for again with half of its rows, as the sweeper does; `slow` is told of each. */
async function sweepAll(
  mine: RangeLease,
  more: () => Partial<ChunkRequest> = () => ({}),
  slow: (rows: number) => void = () => undefined,
  fill = p.database.fill,
): Promise<Written[]> {
  const outcomes: Written[] = [];
  for (;;) {
    const asked = request(more());
    let { rows: size } = asked;
    const outcome = await chunkWritten(async () => {
      const found = await fillChunk(fill, target(mine.targetNo), mine, { ...asked, rows: size });
      if (found.kind === 'slow') slow(size);
      size = Math.ceil(size / 2);
      return found;
    });
    if (outcome.kind !== 'written') throw new Error(outcome.kind);
    outcomes.push(outcome);
    if (outcome.done) return outcomes;
  }
}

describe('blocks', () => {
  it('are walked where a table has enough of them', async () => {
    const walked = async (): Promise<unknown[]> => {
      epoch += 1;
      await createRanges(p.database.fill, target(), { epoch, workers: 1, chunkRowsMax: 1_000 });
      return rows(`select distinct walk from highwater.sweep_range where epoch = ${epoch}`);
    };
    await seed(100);
    expect(await walked()).toEqual([['keys']]);
    await p.admin.query('truncate act');
    await seed(20_000);
    expect(await walked()).toEqual([['blocks']]);
  });

  it('give every row its value and every row without one its reason, in either shape, whatever the chunks', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('oneSnapshot' as const, 'lockFirst' as const),
        fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 7 }),
        async (shape, sizes) => {
          await p.admin.query('truncate act; truncate highwater.unfillable_row');
          // 8: refused by a check; 9: the parent has no value; 77: no parent; NULL: no input
          await seed(
            3_000,
            `case g % 500 when 7 then 8 when 107 then 9 when 207 then 77 when 307 then null else 1 + g % 7 end`,
          );
          let n = 0;
          let left = true;
          // a row that alone was too slow for a busy server is the next pass's
          for (let passes = 0; left && passes < 50; passes += 1) {
            const outcomes = await sweepAll(await lease(), () => ({ shape, rows: sizes[n++ % sizes.length] ?? 1 }));
            left = outcomes.some((outcome) => outcome.contended > 0);
          }
          expect(await rows(`select count(*)::int from act a join grp g on g.id = a.grp where a.org is distinct from g.org and g.id <> 8`)).toEqual([[0]]); // prettier-ignore
          const expected = Array.from({ length: 6 }, (_, k) => [
            [k * 500 + 7, 'CheckViolation'],
            [k * 500 + 107, 'InputNull'],
            [k * 500 + 207, 'ParentMissing'],
            [k * 500 + 307, 'InputNull'],
          ]).flat();
          expect(await rows('select key[1]::int as id, reason from highwater.unfillable_row order by 1')).toEqual(expected); // prettier-ignore
          expect(await nulls()).toBe(expected.length);
        },
      ),
      { numRuns: 8, seed: 11 },
    );
  });

  it('keep most rows on their pages: fewer index entries, less growth', async () => {
    await seed(30_000);
    await p.admin.query('vacuum (analyze) act');
    const before = (await rows(`select pg_relation_size('act')::int`))[0] as [number];
    let takenBack = 0;
    const note = (rows: number): void => void (takenBack += rows);
    const outcomes = await sweepAll(await lease(), () => ({ rows: 3_000 }), note);
    expect(outcomes.every((outcome) => !outcome.inVain)).toBe(true);
    expect(await nulls()).toBe(0);
    await p.admin.query('select pg_stat_force_next_flush()').catch(() => undefined);
    const after = (await rows(`select pg_relation_size('act')::int`))[0] as [number];
    // one UPDATE of all rows: + 100 % and more. What a chunk wrote that a busy server was too slow for stays behind too
    expect(after[0] / before[0]).toBeLessThan(1.6 + takenBack / 30_000);
  });
});

describe('one snapshot', () => {
  it('does not wait for a row that somebody holds: the chunk is done lock first, without that row', async () => {
    await seed(300);
    const app = await session();
    await app.query(`begin; update act set title = 'mine' where id in (3, 250)`);
    // only what a fill sets for waits on locks ends its wait for the row
    const unlimited = withoutLimits(p.database, ['statement_timeout']);
    try {
      const sweeping = sweepAll(await lease(), () => ({ rows: 5_000 }), undefined, unlimited.fill);
      const outcomes = await withinLimit('the pass beside the holder', sweeping);
      expect(outcomes.some((outcome) => outcome.inVain)).toBe(true);
      expect(await nulls()).toBe(2);
    } finally {
      await app.query('commit');
      await unlimited.close();
    }
  });

  it('is younger than the gate: closed while the chunk waited for the gate, it writes nothing', async () => {
    await seed(300);
    const mine = await lease();
    const controller = await session();
    const { rows: held } = await controller.query<{ c: number }>(`select ('x' || $1)::bit(32)::int as c`, [
      target().short,
    ]);
    /** As closeGate does, slowed down: the lock first, then, when the chunk waits for it, the gate. */
    const closedMeanwhile = async (): Promise<ChunkOutcome> => {
      await openGate(p.database.state, gate(), ['sweep']);
      await controller.query('select pg_advisory_lock($1, 1)', [held[0]?.c]);
      let over = false;
      const chunk = fillChunk(p.database.fill, target(), mine, request()).finally(() => (over = true));
      await waitFor(
        'the chunk to wait for the gate',
        async () =>
          over || (await rows(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length === 1,
        { everyMs: 2 },
      );
      await p.admin.query(`update highwater.gate set sweep_open = false`);
      await controller.query('select pg_advisory_unlock($1, 1)', [held[0]?.c]);
      return chunk;
    };
    // a chunk waits for half a second at most; one that a busy machine kept waiting for longer has given up, and says nothing of the gate
    expect(await chunkWritten(closedMeanwhile)).toEqual({ kind: 'gateClosed' });
    expect(await nulls()).toBe(300);
  });

  it('lets the gate close only when its transaction has ended, and keeps no lock behind', async () => {
    await seed(300);
    const mine = await lease();
    const order: string[] = [];
    let closing: Promise<unknown> | undefined;
    const onChunkWritten = async (): Promise<void> => {
      closing = closeGate(p.database.state, gate(), ['sweep']).then(() => order.push('acknowledged'));
      await waitFor(
        'the controller to wait',
        async () => (await rows(`select 1 from pg_locks where locktype = 'advisory' and not granted`)).length > 0,
      );
      order.push('written');
    };
    await fillChunk(p.database.fill, target(), mine, request({ onChunkWritten }));
    await closing;
    expect(order).toEqual(['written', 'acknowledged']);
    expect(await fillChunk(p.database.fill, target(), mine, request())).toEqual({ kind: 'gateClosed' });
    expect(await rows(`select 1 from pg_locks where locktype = 'advisory'`)).toEqual([]);
  });

  it('refuses a worker whose lease went to another', async () => {
    await seed(300);
    const zombie = await lease();
    await p.admin.query(`update highwater.sweep_range set lease_until = clock_timestamp() - interval '1 second'`);
    const owner = await leaseRange(p.database.fill, { migrationId: 'blocks', epoch, owner: 'other', targetNos: [0] });
    expect(await fillChunk(p.database.fill, target(), zombie, request())).toEqual({ kind: 'leaseLost' });
    expect(await nulls()).toBe(300);
    expect(await rows(`select 1 from pg_locks where locktype = 'advisory'`)).toEqual([]);
    await sweepAll(owner as RangeLease);
    expect(await nulls()).toBe(0);
  });
});

it('a rebuild beside an installed bridge: none of our own NULLs reaches it', async () => {
  await p.admin.query(`create sequence bridged;
    create function bridged() returns trigger language plpgsql security definer set search_path = public as
      'begin perform nextval(''bridged''); return new; end'`);
  for (const n of [0, 1])
    await p.admin.query(
      `create trigger "${bridgeName(target(n))}" before insert or update on ${n === 0 ? 'act' : 'own'} for each row when (new.org is null) execute function bridged()`,
    );
  try {
    await p.admin.query(`alter table act disable trigger all; alter table own disable trigger all`);
    await seed(15_000, 'case g % 10 when 1 then 9 else 1 end');
    await p.admin.query(
      `insert into own (id, src) select g, case g % 10 when 1 then null else 'v' || g end from generate_series(1, 15000) g`,
    );
    await p.admin.query(`alter table act enable trigger all; alter table own enable trigger all`);
    epoch += 1;
    for (const n of [0, 1]) await createRanges(p.database.fill, target(n), { epoch, workers: 2, chunkRowsMax: 1_000 });
    sweeper = new Sweeper({
      database: p.database,
      migrationId: 'blocks',
      epoch,
      stream: null,
      targets: p.targets,
      limits: p.plan.limits,
      logger: quiet,
    });
    await sweeper.start();
    await waitFor('the pass', async () => openRanges(await readFillProgress(p.database.state, 'blocks', epoch)) === 0, {
      describe: () => sweeper?.status(),
    });
    expect([await nulls('act'), await nulls('own')]).toEqual([1_500, 1_500]);
    // as the bridge's reports, a sequence moves whether or not its transaction commits
    expect(await rows('select is_called from bridged')).toEqual([[false]]);
  } finally {
    await p.admin.query('drop function bridged cascade; drop sequence bridged');
  }
});
