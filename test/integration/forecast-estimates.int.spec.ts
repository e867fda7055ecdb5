import { afterEach, describe, expect, it } from 'vitest';
import { estimateFill, type FillEstimate } from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { highwater, sql, usePlanFiles } from '../support/cli.js';
import { unique, usePostgres } from '../support/stack.js';

const postgres = usePostgres();
const planFile = usePlanFiles();

describe('estimates from rows that are written and rolled back', () => {
  let prepared: Prepared;
  afterEach(() => prepared.close());
  const plan = `highwater: 1\nmigration: m\ntables: [ { table: t, target: { column: w, type: text }, rule: a } ]`;
  const world = async (more = '', rows = 20_000): Promise<void> => {
    prepared = await prepare(
      await postgres.freshDatabase(),
      `create table t (id bigint primary key, a text, w text, filler text);
       insert into t select n, 'a' || n, null, repeat('x', 100) from generate_series(1, ${rows}) n; ${more}`,
      plan,
    );
    await prepared.admin.query('analyze t');
  };
  /** Fewer are tried where so many take longer than the row budget, as they may on a busy machine. */
  const tried = (most: number): unknown => expect.toBeOneOf([most, 50, 5]);
  const estimate = async (rows: number, accept: string[] = []): Promise<FillEstimate> => {
    const [target] = prepared.targets;
    if (!target) throw new Error('no target');
    return estimateFill(prepared.database.fill, target, rows, { accept, rowBudgetMs: 200 });
  };

  it('are near what one statement over all rows costs, and leave no value behind', async () => {
    await world();
    const told = await estimate(20_000);
    expect(told).toMatchObject({ table: 'public.t', target: 'w', rows: 20_000, rowsTried: tried(500), note: null });
    expect((await prepared.admin.query('select count(w)::int as n from t')).rows).toEqual([{ n: 0 }]);
    const { rows } = await prepared.admin.query<{ 'QUERY PLAN': [{ Plan: { 'WAL Bytes': number } }] }>(
      'explain (analyze, wal, format json) update t set w = a where w is null',
    );
    const wal = rows[0]?.['QUERY PLAN'][0].Plan['WAL Bytes'] ?? 0;
    // full page images after a checkpoint are most of it, and chance: the fewer rows, the more of a page is on each of them
    expect(told.walBytes).toBeGreaterThan(wal / 4);
    expect(told.walBytes).toBeLessThan(wal * 8 * (500 / (told.rowsTried ?? 0)));
    expect(told.durationMs).toBeGreaterThan(0);
    const { rows: sizes } = await prepared.admin.query<{ bytes: string }>(`select pg_relation_size('t') as bytes`);
    // the statement has doubled the table
    expect(told.growthBytes).toBeGreaterThan(Number(sizes[0]?.bytes) * 0.4);
    expect(told.growthBytes).toBeLessThan(Number(sizes[0]?.bytes) * 0.6);
  });

  it('wait for nobody: rows that are held are left out, and a table that is locked gives none', async () => {
    await world('', 2_000);
    const { admin } = prepared;
    await admin.query('begin; select from t where id <= 1900 for update');
    expect(await estimate(2_000)).toMatchObject({ rowsTried: tried(100) });
    await admin.query('rollback; begin; lock table t in exclusive mode');
    expect(await estimate(2_000)).toMatchObject({ rowsTried: null, walBytes: null });
    await admin.query('rollback');
  });

  it('are not made where triggers would do what the plan does not accept, or where the first rows are refused', async () => {
    await world(`create function public.f() returns trigger language plpgsql as $$ begin return new; end $$;
      create trigger touch before update on t for each row execute function public.f()`);
    expect(await estimate(20_000)).toMatchObject({
      rowsTried: null,
      note: expect.stringContaining(': touch') as string,
    });
    expect(await estimate(20_000, ['TriggerOnUpdate'])).toMatchObject({ rowsTried: tried(500) });
    await prepared.admin.query(`alter table t add check (w <> 'a3')`);
    const refused = await estimate(20_000, ['TriggerOnUpdate']);
    expect(refused).toMatchObject({ rowsTried: null, note: 'one of the rows tried is refused: CheckViolation (SQLSTATE 23514)' }); // prettier-ignore
    expect(JSON.stringify(refused)).not.toContain('a3');
  });
});

it('come with the plan when asked for, and say what cannot be known yet', async () => {
  const url = await postgres.freshDatabase();
  await sql(url, `create table "Group" (id text primary key, "orgId" text, "workspaceId" text);
    insert into "Group" select 'g' || n, 'o' from generate_series(1, 50) n; analyze "Group"`); // prettier-ignore
  const file = planFile(`estimate-${unique()}`);
  const { out, code } = await highwater({ HIGHWATER_DATABASE_URL: url }, 'plan', file, '--estimate');
  expect(code).toBe(0);
  expect(out).toMatch(
    /^estimate for public\.Group\.workspaceId: 50 rows to fill, with one worker about .+, WAL .+, growth of the table at most .+; from (50|5) rows written and rolled back$/m,
  );
  const added = planFile(`estimate-${unique()}`, (text) => text.replace('workspaceId, type: text', 'tenant, type: text, addColumn: true').replace('indexes: { Group_workspaceId_idx: [workspaceId] }', '')); // prettier-ignore
  expect((await highwater({ HIGHWATER_DATABASE_URL: url }, 'plan', added, '--estimate')).out).toContain(
    'estimate for public.Group.tenant: unknown: the column is added at expand\n',
  );
  expect((await highwater({ HIGHWATER_DATABASE_URL: url }, 'plan', file)).out).not.toContain('estimate for');
});
