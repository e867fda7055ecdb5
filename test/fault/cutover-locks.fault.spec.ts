import { afterEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import { must } from '@highwater/kernel';
import {
  addColumn,
  buildNullIndex,
  catalogFacts,
  dropBridge,
  dropGuard,
  dropNullIndex,
  ensureForeignKey,
  guardTable,
  installBridge,
  readBlockers,
  setNotNull,
  unenforce,
  validateGuard,
  type Database,
  type FillTarget,
} from '@highwater/target-db';
import { catalogLines } from '../support/catalog-golden.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { probe } from '../support/probe.js';
import { majors, usePostgres, waitFor, withinLimit } from '../support/stack.js';

// the lock is asked for, whoever holds the table: what these are about comes after that
const budget = { lockBudgetMs: 150, lockAttempts: 2, pauseMs: () => 20, maintenanceWaitMs: 500, holderWaitMs: 0 };
/** Where nobody is in the way: a busy machine is not what is asked about. */
const patient = { ...budget, lockBudgetMs: 30_000 };
type Budget = typeof budget;
type Access = Database['state'];
let prepared: Prepared;
const clients: pg.Client[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end().catch(() => undefined)));
  await prepared.close();
});

async function start(url: string): Promise<FillTarget> {
  prepared = await prepare(url, workspaceSchema, workspacePlan);
  await prepared.admin.query(workspaceSeed);
  return prepared.targets.at(-1) as FillTarget;
}
async function other(applicationName: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: prepared.url, application_name: applicationName });
  client.on('error', () => undefined);
  await client.connect();
  clients.push(client);
  return client;
}
const columns = async (): Promise<string[]> =>
  (
    await prepared.admin.query<{ line: string }>(
      `select attname || ' ' || coalesce(attacl::text, '') as line from pg_attribute where attrelid = '"Activity"'::regclass and attnum > 0 and not attisdropped order by attnum`,
    )
  ).rows.map((row) => row.line);

describe.each(majors)('each DDL step against a table that is not let go, on PostgreSQL %i', (major) => {
  const postgres = usePostgres({ major });

  it('F46 lock_timeout and statement_timeout leave the catalog as it was, and the step succeeds when it is let go', async () => {
    const target = await start(await postgres.freshDatabase());
    const { database, admin, catalog } = prepared;
    const { table } = target.derivation;
    const column = { migrationId: target.migrationId, targetNo: 0, table, column: 'extra', type: 'text' };
    const parent = must(
      catalog.tables.find((one) => one.name === 'Workspace'),
      'the parent',
    );
    const fill = `update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId" and a."workspaceId" is null`;
    const steps: readonly [string, (limits: Budget) => Promise<unknown>, (() => Promise<unknown>)?][] = [
      ['expand', (limits) => addColumn(database, column, limits)],
      ['bridge', (limits) => installBridge(database, target, { mode: 'assign', reports: false }, limits)],
      [
        'guard',
        (limits) => guardTable(database, target, limits),
        async () => (await admin.query(fill), await buildNullIndex(database, target)),
      ],
      ['drop-guard', (limits) => dropGuard(database, target, limits)],
      ['guard', (limits) => guardTable(database, target, limits)],
      ['set-not-null', (limits) => setNotNull(database, target, limits), () => validateGuard(database, target)],
      [
        'foreign-key',
        (limits) => ensureForeignKey(database, target, parent, { onDelete: 'restrict', onDeleteSaid: true }, limits),
      ],
      ['unenforce', (limits) => unenforce(database, target, limits)],
      ['drop-bridge', (limits) => dropBridge(database, target, limits)],
    ];
    // after the change was made within the transaction, a statement that outlasts what is left of the budget
    await admin.query(`create function slow() returns event_trigger language plpgsql as $$ begin perform pg_catalog.pg_sleep(1); end $$;
      create event trigger slow on ddl_command_end when tag in ('ALTER TABLE', 'CREATE TRIGGER', 'CREATE FUNCTION') execute function slow(); alter event trigger slow disable`);
    const dropsSlow = `create event trigger slow_drop on sql_drop execute function slow(); alter event trigger slow_drop disable`;
    await admin.query(dropsSlow);
    const reader = await other('long-reader');
    for (const [name, step, before] of steps) {
      await before?.();
      const golden = [...(await catalogLines(admin)), ...(await columns())];
      const unchanged = async (): Promise<void> =>
        expect([name, ...(await catalogLines(admin)), ...(await columns())]).toEqual([name, ...golden]);
      await reader.query(`begin; lock table "Activity" in row exclusive mode`);
      // the reader does not let go before: who waited for it would wait for good
      await expect(withinLimit(`step ${name} to give up`, step(budget)), name).rejects.toMatchObject({
        code: 'HW5001',
        message: expect.stringContaining('long-reader') as string,
      });
      await reader.query('rollback');
      await unchanged();

      await admin.query('alter event trigger slow enable; alter event trigger slow_drop enable');
      await expect(step(budget), name).rejects.toMatchObject({ code: 'HW5001' });
      await admin.query('alter event trigger slow disable; alter event trigger slow_drop disable');
      await unchanged();
      await step(patient);
      const after = [...(await catalogLines(admin)), ...(await columns())];
      expect([name, after]).not.toEqual([name, golden]);
    }
    await dropNullIndex(database, target);
    expect((await catalogLines(admin)).filter((line) => line.includes('hw_'))).toEqual([]);
  });
});

describe('a look at who is in the way', () => {
  const postgres = usePostgres();

  it('F46 names the reader also when it comes so late that the attempt is over', async () => {
    const target = await start(await postgres.freshDatabase());
    const { database, admin, roles } = prepared;
    await buildNullIndex(database, target);
    const reader = await other('long-reader');
    await reader.query(`begin; lock table "Activity" in row exclusive mode`);
    const waiting = async (): Promise<boolean> =>
      (await admin.query(`select from pg_stat_activity where usename = $1 and wait_event_type = 'Lock'`, [roles.ddl]))
        .rowCount === 1;
    let looks = 0;
    const state = Object.assign(Object.create(database.state) as Access, {
      query: async (...asked: Parameters<Access['query']>) => {
        if (asked[0] === 'reading lock holders' && (looks += 1) === 1)
          await waitFor('the attempt to be over', async () => !(await waiting()));
        return database.state.query(...asked);
      },
    });
    await expect(
      guardTable({ ...database, state } as Database, target, { ...budget, lockAttempts: 1 }),
    ).rejects.toMatchObject({ code: 'HW5001', message: expect.stringContaining('long-reader') as string });
    expect(looks).toBe(2);
  });
});

describe('an autovacuum that gives way to nobody', () => {
  const postgres = usePostgres({ settings: { autovacuum_naptime: '1s', autovacuum: 'on' } });

  it('F45 to prevent wraparound: it is named, nobody waits behind us meanwhile, and the guard stands when it is done', async () => {
    const target = await start(await postgres.freshDatabase());
    const { database, admin } = prepared;
    // no ordinary autovacuum: that one would let go by itself
    await admin.query(
      `alter table "Activity" set (autovacuum_vacuum_threshold = 1000000000, autovacuum_vacuum_insert_threshold = -1, autovacuum_analyze_threshold = 1000000000);
         insert into "Activity" ("groupId", "workspaceId", title) select 'g' || (g % 9 + 1), 'o1', repeat('x', 200) from generate_series(1, 20000) g;
       update "Activity" set "workspaceId" = 'o1' where "workspaceId" is null`,
    );
    await buildNullIndex(database, target);
    // freeze early, and slowly; each block with an exception handler that writes takes a transaction id of its own
    await admin.query(`alter table "Activity" set (autovacuum_freeze_max_age = 100000, autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1);
      create table burnt (n int); alter table burnt set (autovacuum_enabled = off)`);
    await admin.query(
      `do $$ begin for i in 1..110000 loop begin insert into burnt values (i); exception when others then null; end; end loop; end $$`,
    );
    const vacuum = await waitFor(
      'the autovacuum to run',
      async () =>
        (await readBlockers(database.state, [target.derivation.table.relid])).find((one) => one.kind === 'autovacuum'),
      { everyMs: 200 },
    );
    expect(vacuum.wraparound).toBe(true);
    const app = await other('app');
    // who waited for the vacuum would wait for a minute; that each of our two requests ends with its budget is the server's, however slow it is
    await app.query(`set lock_timeout = '15s'`);
    const application = probe(app, `update "Activity" set title = 'y' where id = 1`);
    await expect(guardTable(database, target, budget)).rejects.toMatchObject({
      code: 'HW5001',
      context: { reason: 'AutovacuumRunning' },
      message: expect.stringMatching(/not obtained in 2 attempts of 150 ms; .*autovacuum/) as string,
      help: 'wait until the vacuum of this table is done',
    });
    const { failed } = await application.stop();
    expect(failed).toEqual([]);
    expect((await catalogFacts(database.ddl, target)).checkExists).toBe(false);

    // the next one may be there before ours, and takes as long
    await admin.query(`set lock_timeout = '1s'`);
    await waitFor('the table to be frozen', async () => {
      await admin.query(
        `select pg_terminate_backend(pid, 60000) from pg_stat_activity where pid = $1 or backend_type = 'autovacuum worker'`,
        [vacuum.pid],
      );
      await admin.query(`vacuum (freeze) "Activity"`);
      return true;
    });
    expect(await guardTable(database, target, patient)).toMatchObject({ outcome: 'guarded' });
  });
});
