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
  type FillTarget,
} from '@highwater/target-db';
import { catalogLines } from '../support/catalog-golden.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { probe } from '../support/probe.js';
import { majors, usePostgres, waitFor } from '../support/stack.js';

// the lock is asked for, whoever holds the table: what these are about comes after that
const budget = { lockBudgetMs: 150, lockAttempts: 2, pauseMs: () => 20, maintenanceWaitMs: 500, holderWaitMs: 0 };
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

  it(
    'F46 lock_timeout and statement_timeout leave the catalog as it was, and the step succeeds when it is let go',
    { timeout: 120_000 },
    async () => {
      const target = await start(await postgres.freshDatabase());
      const { database, admin, catalog } = prepared;
      const { table } = target.derivation;
      const column = { migrationId: target.migrationId, targetNo: 0, table, column: 'extra', type: 'text' };
      const parent = must(
        catalog.tables.find((one) => one.name === 'Workspace'),
        'the parent',
      );
      const fill = `update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId" and a."workspaceId" is null`;
      const steps: readonly [string, () => Promise<unknown>, (() => Promise<unknown>)?][] = [
        ['expand', () => addColumn(database, column, budget)],
        ['bridge', () => installBridge(database, target, { mode: 'assign', reports: false }, budget)],
        [
          'guard',
          () => guardTable(database, target, budget),
          async () => (await admin.query(fill), await buildNullIndex(database, target)),
        ],
        ['drop-guard', () => dropGuard(database, target, budget)],
        ['guard', () => guardTable(database, target, budget)],
        ['set-not-null', () => setNotNull(database, target, budget), () => validateGuard(database, target)],
        [
          'foreign-key',
          () => ensureForeignKey(database, target, parent, { onDelete: 'restrict', onDeleteSaid: true }, budget),
        ],
        ['unenforce', () => unenforce(database, target, budget)],
        ['drop-bridge', () => dropBridge(database, target, budget)],
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
        const began = performance.now();
        await expect(step(), name).rejects.toMatchObject({
          code: 'HW5001',
          message: expect.stringContaining('long-reader') as string,
        });
        expect([name, performance.now() - began < 5_000]).toEqual([name, true]);
        await reader.query('rollback');
        await unchanged();

        await admin.query('alter event trigger slow enable; alter event trigger slow_drop enable');
        await expect(step(), name).rejects.toMatchObject({ code: 'HW5001' });
        await admin.query('alter event trigger slow disable; alter event trigger slow_drop disable');
        await unchanged();
        await step();
        const after = [...(await catalogLines(admin)), ...(await columns())];
        expect([name, after]).not.toEqual([name, golden]);
      }
      await dropNullIndex(database, target);
      expect((await catalogLines(admin)).filter((line) => line.includes('hw_'))).toEqual([]);
    },
  );
});

describe('an autovacuum that gives way to nobody', () => {
  const postgres = usePostgres({ settings: { autovacuum_naptime: '1s', autovacuum: 'on' } });

  it(
    'F45 to prevent wraparound: it is named, nobody waits behind us meanwhile, and the guard stands when it is done',
    { timeout: 150_000 },
    async () => {
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
          (await readBlockers(database.state, [target.derivation.table.relid])).find(
            (one) => one.kind === 'autovacuum',
          ),
        { timeoutMs: 90_000, everyMs: 200 },
      );
      expect(vacuum.wraparound).toBe(true);
      const application = probe(await other('app'), `update "Activity" set title = 'y' where id = 1`);
      await expect(guardTable(database, target, budget)).rejects.toMatchObject({
        code: 'HW5001',
        context: { reason: 'AutovacuumRunning' },
        message: expect.stringContaining('autovacuum') as string,
        help: 'wait until the vacuum of this table is done',
      });
      const { failed, worstMs } = await application.stop();
      expect(failed).toEqual([]);
      expect(worstMs).toBeLessThan(1_500);
      expect((await catalogFacts(database.ddl, target)).checkExists).toBe(false);

      await admin.query(`select pg_terminate_backend($1)`, [vacuum.pid]);
      await admin.query(`vacuum (freeze) "Activity"`);
      expect(await guardTable(database, target, { ...budget, lockAttempts: 10 })).toMatchObject({ outcome: 'guarded' });
    },
  );
});
