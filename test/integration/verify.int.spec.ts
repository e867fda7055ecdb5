import type pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import {
  beginVerification,
  forecastPlan,
  readMismatches,
  readVerification,
  verifyNextPage,
  verifyRange,
  type Access,
  type FillTarget,
  type KeyText,
} from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

describe('verification', () => {
  const postgres = usePostgres();
  let prepared: Prepared;
  afterEach(() => prepared.close());

  const right = `update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId"`;
  async function activities(): Promise<FillTarget> {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    await prepared.admin.query(workspaceSeed);
    return prepared.targets.at(-1) as FillTarget;
  }
  const toTheEnd = (target: FillTarget, run: string): Promise<unknown> =>
    waitFor('the end of the table', () => verifyNextPage(prepared.database.fill, target, run), { everyMs: 1 });
  const pageRows = (rows: number): Promise<unknown> =>
    prepared.admin.query('update highwater.verification set page_rows = $1', [rows]);
  const keys = async (target: FillTarget): Promise<string[]> =>
    (await readMismatches(prepared.database.state, target.migrationId)).map((one) => one.key.join());

  it('compares value by value in ranges and does not take a NULL for a mismatch', async () => {
    const target = await activities();
    const { admin, database } = prepared;
    await admin.query(`${right} and a.id <> 7`);
    await admin.query(`update "Activity" set "workspaceId" = 'o9' where id in (5, 100, 200)`);
    const first = await verifyRange(database.fill, target, null, 99);
    expect(first).toEqual({ checked: 99, mismatches: 1, nulls: 1, cursor: ['99'] });
    const second = await verifyRange(database.fill, target, first.cursor, 1_000);
    expect(second).toEqual({ checked: 101, mismatches: 2, nulls: 0, cursor: null });
    expect(await keys(target)).toEqual(['100', '200', '5']);
  });

  it('goes on where it stopped, and another run closes the entries that were repaired', async () => {
    const target = await activities();
    const { admin, database } = prepared;
    await admin.query(right);
    await admin.query(`update "Activity" set "workspaceId" = 'o9' where id in (5, 100, 200)`);
    await beginVerification(database.fill, [target], 'first');
    await pageRows(60);
    expect(await verifyNextPage(database.fill, target, 'first')).toBe(false);
    // what a crash leaves is what begin finds: it must not start over
    await beginVerification(database.fill, [target], 'first');
    expect(await readVerification(database.state, target.migrationId)).toMatchObject([{ checked: 60, mismatches: 1 }]);
    await toTheEnd(target, 'first');
    const [done] = await readVerification(database.state, target.migrationId);
    expect(done).toMatchObject({ done: true, checked: 200, mismatches: 3, nulls: 0 });
    expect(await verifyNextPage(database.fill, target, 'first')).toBe(false); // a page of a run that is over is nobody's

    await admin.query(`${right} and a.id in (5, 200)`);
    await beginVerification(database.fill, [target], 'second');
    expect(await keys(target)).toEqual(['100', '200', '5']); // known until it is known better
    await toTheEnd(target, 'second');
    expect(await keys(target)).toEqual(['100']);
  });

  it('goes on past a row whose rule the server refuses to compute, and lists that row with its SQLSTATE', async () => {
    const target = await activities();
    const { admin, database } = prepared;
    await admin.query(right);
    // an expression of ours cannot fail on a value; one that reads through a function of the team's can
    await admin.query(`create function public.picky(n bigint) returns text language plpgsql immutable as
      $$ begin if n in (77, 78) then raise exception 'no' using errcode = '22023'; end if; return null; end $$`);
    const expression = `coalesce(public.picky(r.id), ${target.derivation.expression})`;
    const picky = { ...target, derivation: { ...target.derivation, expression } } as FillTarget;
    await beginVerification(database.fill, [picky], 'run');
    await toTheEnd(picky, 'run');
    const [done] = await readVerification(database.state, target.migrationId);
    expect(done).toMatchObject({ checked: 200, mismatches: 2 });
    expect(await readMismatches(database.state, target.migrationId)).toMatchObject([
      { key: ['77'], sqlstate: '22023' },
      { key: ['78'], sqlstate: '22023' },
    ]);
  });

  it('is counted once when two processes think that it is theirs', async () => {
    const target = await activities();
    await prepared.admin.query(right);
    await beginVerification(prepared.database.fill, [target], 'run');
    await pageRows(10);
    const look = async () => (await readVerification(prepared.database.state, target.migrationId))[0];
    const untilDone = async (): Promise<void> => {
      // one that finds the other at work is refused its lock, which is no failure
      while ((await look())?.done !== true)
        await verifyNextPage(prepared.database.fill, target, 'run').catch(() => undefined);
    };
    await Promise.all([untilDone(), untilDone()]);
    expect(await look()).toMatchObject({ checked: 200, mismatches: 0, nulls: 0 });
  });

  it('lists what it found page by page, each entry read once', async () => {
    const target = await activities();
    const { admin, database } = prepared;
    const [rows, limit] = [20_000, 500];
    await admin.query(
      `insert into highwater.mismatch (migration_id, target_no, key) select $1, n % 2, array[n::text] from generate_series(1, ${rows}) n`,
      [target.migrationId],
    );
    await admin.query('analyze highwater.mismatch');
    const { found, read, blocks } = await database.state.transaction('counting', async (client) => {
      const query = async (_what: string, text: string, values?: unknown[]) => (await client.query(text, values)).rows;
      const within = { ...database.state, query } as unknown as Access;
      const list: string[] = [];
      for (let after: Awaited<ReturnType<typeof readMismatches>>[number] | undefined; ;) {
        const page = await readMismatches(within, target.migrationId, { limit, after, targetNos: [0, 1] });
        list.push(...page.map(({ targetNo, key }) => `${targetNo} ${key.join()}`));
        after = page.at(-1);
        if (page.length < limit) break;
      }
      const { rows: counted } = await client.query<{ read: string; blocks: string }>(
        `select seq_tup_read + idx_tup_fetch as read, pg_stat_get_xact_blocks_fetched('highwater.mismatch_pkey'::regclass) as blocks
           from pg_stat_xact_user_tables where schemaname = 'highwater' and relname = 'mismatch'`,
      );
      return { found: list, read: Number(counted[0]?.read), blocks: Number(counted[0]?.blocks) };
    });
    expect(found).toHaveLength(rows);
    expect(new Set(found).size).toBe(rows);
    expect(read).toBeLessThanOrEqual(rows + rows / limit);
    // of the index too: what the condition of a page passes over is not read as a row
    expect(blocks).toBeLessThan((rows / limit) * 20);
    // an offset goes on from one target into the next, whose number is its table's
    for (const offset of [9_995, 10_000, 19_998, 20_000]) {
      const page = await readMismatches(database.state, target.migrationId, { limit: 10, offset, targetNos: [1, 0] });
      const names = page.map(({ targetNo, key }) => `${targetNo} ${key.join()}`);
      expect([offset, ...names]).toEqual([offset, ...found.slice(offset, offset + 10)]);
    }
  });

  describe('of a table without a key', () => {
    const schema =
      'create table account (id int primary key, tenant text); create table visit (account int, tenant text)';
    const plan = `highwater: 1
migration: visits
tables:
  - table: visit
    target: { column: tenant, type: text }
    rule: { via: account, to: account(id), then: { column: tenant } }
cutover: { mode: bridge, start: manual, window: 1s }
`;
    const rows = 20_000;
    async function visits(): Promise<FillTarget> {
      prepared = await prepare(await postgres.freshDatabase(), schema, plan);
      await prepared.admin.query(`insert into account select n, 't' || n from generate_series(0, 9) n;
        insert into visit select n % 10, 't' || n % 10 from generate_series(1, ${rows}) n; analyze visit`);
      return prepared.targets[0] as FillTarget;
    }

    it('reads each row once, page by page, and not what follows the page each time', async () => {
      const target = await visits();
      const { admin, database } = prepared;
      await admin.query(
        `update visit set tenant = 'other' where ctid in ('(3,7)', '(50,1)'); delete from visit where ctid < '(2,0)'`,
      );
      const { pages, checked, mismatches, read } = await database.fill.transaction('counting', async (client) => {
        const within = { ...database.fill, session: (_: string, work) => work(client) } as Access;
        const sum = { pages: 0, checked: 0, mismatches: 0 };
        for (let cursor: KeyText | null = null; ;) {
          const page = await verifyRange(within, target, cursor, 500);
          sum.pages += 1;
          sum.checked += page.checked;
          sum.mismatches += page.mismatches;
          cursor = page.cursor;
          if (cursor === null) break;
        }
        const { rows: counted } = await client.query<{ read: string }>(
          `select seq_tup_read as read from pg_stat_xact_user_tables where relname = 'visit'`,
        );
        return { ...sum, read: Number(counted[0]?.read) };
      });
      const left = Number((await admin.query<{ n: string }>('select count(*) as n from visit')).rows[0]?.n);
      expect({ checked, mismatches }).toEqual({ checked: left, mismatches: 2 });
      expect(pages).toBeGreaterThan(5);
      expect(read).toBeLessThanOrEqual(rows + 2);
    });

    it('goes on past a row whose rule the server refuses to compute', async () => {
      const target = await visits();
      const { admin, database } = prepared;
      await admin.query(`create function public.picky(place tid) returns text language plpgsql immutable as
        $$ begin if place in ('(4,9)', '(4,10)') then raise exception 'no' using errcode = '22023'; end if; return null; end $$`);
      const expression = `coalesce(public.picky(r.ctid), ${target.derivation.expression})`;
      const picky = { ...target, derivation: { ...target.derivation, expression } } as FillTarget;
      await beginVerification(database.fill, [picky], 'run');
      await toTheEnd(picky, 'run');
      expect((await readVerification(database.state, target.migrationId))[0]).toMatchObject({
        checked: rows,
        mismatches: 2,
        done: true,
      });
      expect(await keys(target)).toEqual(['(4,10)', '(4,9)']);
    });

    it('is forecast row by row, like any other, and each row is read once', async () => {
      await visits();
      const { admin, database, plan: parsed, catalog, targets, entities } = prepared;
      await admin.query(
        `update visit set tenant = null; update visit set account = 99 where ctid in (select ctid from visit limit 3)`,
      );
      const { table, read } = await database.fill.transaction('counting', async (client) => {
        const work = <T>(_: string, run: (client: pg.ClientBase) => Promise<T>): Promise<T> => run(client);
        const fill = Object.assign(Object.create(database.fill), { session: work, transaction: work }) as Access;
        const request = { database: { ...database, fill }, plan: parsed, catalog, targets, entities };
        const [seen] = (await forecastPlan({ ...request, exact: true })).tables;
        const { rows: counted } = await client.query<{ read: string }>(
          `select seq_tup_read as read from pg_stat_xact_user_tables where relname = 'visit'`,
        );
        return { table: seen, read: Number(counted[0]?.read) };
      });
      expect(read).toBe(rows);
      expect(table).toMatchObject({
        rows,
        rowsSeen: rows,
        sampledPercent: null,
        filled: rows - 3,
        unfillable: [{ reason: 'ParentMissing', rows: 3 }],
        notes: [],
      });
      // what it gives to look at them with, as it stands
      const [orphans] = table?.unfillable ?? [];
      expect((await admin.query({ text: orphans?.sql ?? '', rowMode: 'array' })).rows).toEqual(orphans?.keys);
    });
  });
});
