import { afterEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import { buildNullIndex, guardTable, openDatabase, type Database, type FillTarget } from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { openWire, type Wire } from '../support/wire.js';

/*
 * `CHECK (… IS NOT NULL) NOT VALID` is not harmless: with it in force and a NULL row left, any UPDATE of another column of that row
 * fails, and one reader is enough to deny the lock that takes it away again. So check and proof stand or fall together, also when the
 * client freezes or dies in the middle.
 */

const budget = { lockBudgetMs: 60_000, lockAttempts: 1, pauseMs: () => 20 };
/** An old application renames the rows it knows: it has never heard of the target. */
const otherColumn = `update "Activity" set title = title || '!' where id = 1`;

/** By hand: what the guard left on the table, and what rows without value there are. */
const oracle = `select (select count(*)::int from pg_constraint where conrelid = '"Activity"'::regclass and contype in ('c', 'n') and conkey = array[a.attnum]) as checks,
  (select count(*)::int from "Activity" where "workspaceId" is null) as nulls, a.attnotnull as "notNull"
  from pg_attribute a where a.attrelid = '"Activity"'::regclass and a.attname = 'workspaceId'`;

describe('trap 3: a check that is left alone', () => {
  const postgres = usePostgres();
  let prepared: Prepared;
  let wire: Wire | undefined;
  let wired: Database | undefined;
  const clients: pg.Client[] = [];
  afterEach(async () => {
    await wired?.close();
    await wire?.close();
    wire = wired = undefined;
    await Promise.all(clients.splice(0).map((client) => client.end()));
    await prepared.close();
  });
  const client = async (): Promise<pg.Client> => {
    const one = new pg.Client({ connectionString: prepared.url, application_name: 'shop' });
    await one.connect();
    clients.push(one);
    return one;
  };
  /** 200 rows without value, our partial index, and our ddl access by way of a wire that can fail. */
  const start = async (): Promise<{ target: FillTarget; wire: Wire; database: Database }> => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    await prepared.admin.query(workspaceSeed);
    const target = prepared.targets.at(-1) as FillTarget;
    await buildNullIndex(prepared.database, target);
    const { settings } = prepared.database;
    wire = await openWire(settings.urls.ddl);
    wired = openDatabase({ ...settings, urls: { ...settings.urls, ddl: wire.url }, instance: 'wired' });
    return { target, wire, database: wired };
  };
  const fillAll = `update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId"`;

  it('is real: updates of another column fail, and one reader denies the way back', async () => {
    await start();
    const { admin } = prepared;
    await admin.query(`alter table "Activity" add constraint naive check ("workspaceId" is not null) not valid`);
    await expect(admin.query(otherColumn)).rejects.toMatchObject({ code: '23514' });
    const dump = await client();
    await dump.query(`begin isolation level repeatable read; select count(*) from "Activity"`);
    await expect(
      admin.query(`set lock_timeout = '500ms'; alter table "Activity" drop constraint naive`),
    ).rejects.toMatchObject({ code: '55P03' });
    await expect(admin.query(otherColumn)).rejects.toMatchObject({ code: '23514' });
  });

  it('rolls the check back together with the proof that failed: the row stays updatable', async () => {
    const { target, database } = await start();
    const { admin } = prepared;
    expect(await guardTable(database, target, budget)).toMatchObject({ outcome: 'nullFound' });
    expect((await admin.query(otherColumn)).rowCount).toBe(1);
    expect((await admin.query(oracle)).rows).toEqual([{ checks: 0, nulls: 200, notNull: false }]);
  });

  it.each([
    ['with NULL rows', '', { checks: 0, nulls: 200, notNull: false }],
    ['without', fillAll, { checks: 1, nulls: 0, notNull: false }],
  ])('holds no lock after a client froze at the check, %s', async (_, before, found) => {
    const { target, wire: line, database } = await start();
    const { admin } = prepared;
    if (before) await admin.query(before);
    line.freezeAfter('add constraint hw_');
    const attempt = guardTable(database, target, budget).then(
      () => 'answered',
      () => 'lost',
    );
    await waitFor('the guard to reach the wire', () => line.met() === 1);
    // the server has done all it was sent, and will never hear of that client again
    const session = await waitFor('the server to come to rest', async () => {
      const { rows } = await admin.query<{ state: string; guarding: boolean; locks: number }>(
        `select a.state, a.query ~ 'add constraint hw_' as guarding,
                (select count(*)::int from pg_locks l where l.pid = a.pid and l.relation = '"Activity"'::regclass) as locks
           from pg_stat_activity a where a.application_name = 'highwater/wired/ddl'`,
      );
      const [one] = rows;
      // it was there, or nothing could have reached the wire: five seconds after an error it has been ended
      return one ? one.guarding && one.state !== 'active' && one : { state: 'gone', locks: 0 };
    });
    expect(session.state).toMatch(/^(idle( in transaction \(aborted\))?|gone)$/);
    expect(session.locks).toBe(0);
    const app = await client();
    expect((await app.query(`set lock_timeout = '1s'; ${otherColumn}`)) as unknown).toMatchObject([
      {},
      { rowCount: 1 },
    ]);
    expect((await admin.query(oracle)).rows).toEqual([found]);
    await line.close();
    expect(await attempt).toBe('lost');
  });

  it('leaves nothing when the client dies at the check of a table with NULL rows', async () => {
    const { target, wire: line, database } = await start();
    const { admin, roles } = prepared;
    line.cutAfter('add constraint hw_');
    await expect(guardTable(database, target, budget)).rejects.toMatchObject({ code: 'HW5002', retry: 'reconcile' });
    await waitFor(
      'the server to end the session',
      async () =>
        (await admin.query(`select from pg_stat_activity where usename = $1 and state <> 'idle'`, [roles.ddl]))
          .rowCount === 0,
    );
    expect((await admin.query(oracle)).rows).toEqual([{ checks: 0, nulls: 200, notNull: false }]);
    expect((await admin.query(otherColumn)).rowCount).toBe(1);
  });

  it('takes over from a client that is lost while the server still has its message before it', async () => {
    const { target, wire: line, database } = await start();
    const { admin } = prepared;
    await admin.query(fillAll);
    const writer = await client();
    await writer.query(`begin; update "Activity" set title = 'held' where id = 1`);
    const queued = (count: number): Promise<boolean> =>
      waitFor(`${count} guards to queue behind the writer`, async () => {
        const { rowCount } = await admin.query(
          `select from pg_locks where not granted and mode = 'AccessExclusiveLock' and relation = '"Activity"'::regclass`,
        );
        return rowCount === count;
      });
    line.freezeAfter('add constraint hw_');
    const lost = guardTable(database, target, budget).catch((error: unknown) => error);
    await queued(1);
    // the next controller finds no check, and queues behind the message of the lost one
    const next = guardTable(prepared.database, target, budget);
    await queued(2);
    await writer.query('commit');
    expect(await next).toMatchObject({ outcome: 'guarded' });
    await line.close();
    expect(await lost).toMatchObject({ code: 'HW5002', retry: 'reconcile' });
    expect((await admin.query(oracle)).rows).toEqual([{ checks: 1, nulls: 0, notNull: false }]);
  });
});
