import { afterEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import { buildNullIndex, countNulls, guardTable, installBridge, type FillTarget } from '@highwater/target-db';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { majors, usePostgres, waitFor } from '../support/stack.js';

/*
 * "NULL count 0" is no proof: an open transaction, or a prepared one, holds a NULL row that no count sees. Its writer has no value for
 * the bridge either (no group), so nothing but the proof behind the lock can find the row.
 */

/** The attempt that must give up; where nobody is in the way the budget only has to outlast a busy machine. */
// who holds the table is not waited for: these are about what happens when the lock is asked for
const budget = { lockBudgetMs: 250, lockAttempts: 2, pauseMs: () => 20, holderWaitMs: 0 };
const ample = { lockBudgetMs: 10_000, lockAttempts: 2 };
const withoutValue = `insert into "Activity" (title) values ('held open') returning id`;

const filledByHand = `update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId" and a."workspaceId" is null`;
const visibleNulls = `select count(*)::int as n from "Activity" where "workspaceId" is null`;
/** By hand: what is in force on the table. */
const inForce = `select (select count(*)::int from pg_constraint where conrelid = '"Activity"'::regclass and contype in ('c', 'n') and conkey = array[a.attnum]) as constraints,
  a.attnotnull as "notNull" from pg_attribute a where a.attrelid = '"Activity"'::regclass and a.attname = 'workspaceId'`;

const connect = async (url: string, applicationName: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url, application_name: applicationName });
  client.on('error', () => undefined);
  await client.connect();
  return client;
};

describe.each(majors)('trap 2 on PostgreSQL %i: a NULL row that no count sees', (major) => {
  const postgres = usePostgres({ major });
  let prepared: Prepared;
  const clients: pg.Client[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.end()));
    await prepared.close();
  });
  const client = async (name: string): Promise<pg.Client> => {
    const one = await connect(prepared.url, name);
    clients.push(one);
    return one;
  };
  const start = async (): Promise<FillTarget> => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    await prepared.admin.query(workspaceSeed);
    await prepared.admin.query(filledByHand);
    const target = prepared.targets.at(-1) as FillTarget;
    await installBridge(prepared.database, target, { mode: 'assign', reports: true }, ample);
    await buildNullIndex(prepared.database, target);
    return target;
  };

  it('is real: count 0, then a check, and a row that breaks it stands behind the check', async () => {
    await start();
    const writer = await client('slow-import');
    await writer.query(`begin; ${withoutValue}`);
    expect((await prepared.admin.query(visibleNulls)).rows).toEqual([{ n: 0 }]);
    const naive = await client('naive');
    const added = naive.query(
      `alter table "Activity" add constraint naive check ("workspaceId" is not null) not valid`,
    );
    await waitFor(
      'the naive ALTER to queue',
      async () => ((await prepared.admin.query(`select from pg_locks where not granted`)).rowCount ?? 0) > 0,
    );
    await writer.query('commit');
    await added;
    expect((await prepared.admin.query(visibleNulls)).rows).toEqual([{ n: 1 }]);
    await expect(naive.query(`alter table "Activity" validate constraint naive`)).rejects.toMatchObject({
      code: '23514',
    });
  });

  it.each([
    ['an open transaction', 'commit'],
    ['a prepared transaction', `commit prepared 'forgotten'`],
  ])(
    'gives up on %s within its budget, names it, keeps nobody out, and finds the row behind the lock',
    async (_, end) => {
      const target = await start();
      const { admin, database } = prepared;
      const writer = await client('slow-import');
      await writer.query(`begin; ${withoutValue}`);
      if (end !== 'commit') await writer.query(`prepare transaction 'forgotten'`);
      expect(await countNulls(database.fill, target)).toBe(0n);

      // the application goes on meanwhile: no statement of it fails, none waits for a lock much longer than one budget
      const app = await client('shop');
      await app.query(`set lock_timeout = '10s'`);
      let trying = true;
      const work = (async () => {
        for (let n = 0; trying; n += 1) {
          await app.query(`insert into "Activity" ("groupId", title) values ('g1', 'work')`);
          await app.query(`update "Activity" set title = 'worked' where id = $1`, [(n % 100) + 1]);
        }
      })();
      await expect(guardTable(database, target, budget)).rejects.toMatchObject({
        code: 'HW5001',
        message: expect.stringMatching(
          end === 'commit'
            ? /2 attempts of 250 ms; pid \d+ "slow-import"/
            : /2 attempts of 250 ms; .*prepared transaction "forgotten"/,
        ) as string,
      });
      trying = false;
      await work;
      // named by a budget too that is over before anybody could look who is in the way
      await expect(guardTable(database, target, { ...budget, lockBudgetMs: 1, lockAttempts: 1 })).rejects.toMatchObject(
        {
          code: 'HW5001',
          message: expect.stringContaining(end === 'commit' ? '"slow-import"' : '"forgotten"') as string,
        },
      );
      expect((await admin.query(inForce)).rows).toEqual([{ constraints: 0, notNull: false }]);

      // it commits while the guard waits for its lock: the proof behind the lock sees what no count saw
      const attempt = guardTable(database, target, ample);
      await waitFor(
        'the guard to queue',
        async () =>
          ((await admin.query(`select from pg_locks where not granted and mode = 'AccessExclusiveLock'`)).rowCount ??
            0) > 0,
      );
      await writer.query(end);
      expect(await attempt).toMatchObject({ outcome: 'nullFound' });
      expect((await admin.query(inForce)).rows).toEqual([{ constraints: 0, notNull: false }]);
      expect((await admin.query(visibleNulls)).rows).toEqual([{ n: 1 }]);
      // and the row is anyone's to mend: the bridge gives it its value
      await app.query(`update "Activity" set "groupId" = 'g1' where "workspaceId" is null`);
      expect(await guardTable(database, target, ample)).toMatchObject({ outcome: 'guarded' });
      expect((await admin.query(visibleNulls)).rows).toEqual([{ n: 0 }]);
    },
  );
});

describe('trap 2 through the whole product', () => {
  const postgres = usePostgres();
  let run: Run | undefined;
  afterEach(() => run?.close());

  it('is ready, cuts over, fails on the holder by name, goes back, and enforces when the holder is done', async () => {
    run = await startRun(await postgres.freshDatabase(), quickPlan('invisible'));
    const { admin } = run.prepared;
    await run.until('bridged');
    const writer = await run.client('slow-import');
    let id: string | undefined;
    // readiness is advice: all True with that row under way. Once its transaction is five seconds old it is an obstacle to readiness too, another story
    const refused = await run.cutoverOnceReady({ lockBudgetMs: 250, lockAttempts: 2 }, async () => {
      await writer.query('begin');
      id = (await writer.query<{ id: string }>(withoutValue)).rows[0]?.id;
      return () => writer.query('rollback');
    });
    expect(refused).toMatchObject({
      status: 'failed',
      error: { code: 'HW5001', message: expect.stringContaining('"slow-import"') as string },
    });
    expect((await admin.query(inForce)).rows).toEqual([{ constraints: 0, notNull: false }]);
    const failed = (await run.engine.control.events(run.id, 0, 200)).find((event) => event.type === 'CutoverFailed');
    expect(failed?.data).toMatchObject({ blocker: { applicationName: 'slow-import' } });

    // the writer comes to its senses within its transaction, then ends
    await writer.query(`update "Activity" set "groupId" = 'g1' where id = $1`, [id]);
    await writer.query('commit');
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    expect((await admin.query(visibleNulls)).rows).toEqual([{ n: 0 }]);
    expect((await admin.query(inForce)).rows).toMatchObject([{ notNull: true }]);
    const wrong = await admin.query(
      `select count(*)::int as n from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" is distinct from g."orgId"`,
    );
    expect(wrong.rows).toEqual([{ n: 0 }]);
  });
});
