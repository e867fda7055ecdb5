import { afterEach, describe, expect, it } from 'vitest';
import pg from 'pg';
import {
  bridgeName,
  dropBridge,
  installBridge,
  readBlockers,
  readBridgeFacts,
  type FillTarget,
} from '@highwater/target-db';
import { bystander, timeTaken } from '../support/bystander.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { oneMoreLook } from '../support/lock-looks.js';
import { majors, usePostgres, waitFor } from '../support/stack.js';

const assign = { mode: 'assign', reports: true } as const;
// who holds the table is not waited for: these are about what happens when the lock is asked for
const tight = { lockBudgetMs: 300, lockAttempts: 2, pauseMs: () => 20, holderWaitMs: 0 };
/** Where nobody is in the way: what a busy machine takes for the step itself fits in. */
const budget = { ...tight, lockBudgetMs: 20_000 };

describe.each(majors)('bridge on PostgreSQL %i', (major) => {
  const postgres = usePostgres({ major });
  let prepared: Prepared;
  afterEach(async () => {
    await prepared.admin.query(`select pg_drop_replication_slot(slot_name) from pg_replication_slots where not active`);
    await prepared.close();
  });

  const start = async (schema = workspaceSchema, plan = workspacePlan, seed = workspaceSeed): Promise<FillTarget> => {
    prepared = await prepare(await postgres.freshDatabase(), schema, plan);
    await prepared.admin.query(seed);
    return prepared.targets.at(-1) as FillTarget;
  };
  const messages = async (slot: string): Promise<{ o: string; a: string; u: string }[]> => {
    const { rows } = await prepared.admin.query(
      `select convert_from(data, 'UTF8') as text from pg_logical_slot_get_binary_changes($1, null, null, 'proto_version', '1', 'publication_names', 'p', 'messages', 'true')
        where get_byte(data, 0) = ascii('M')`.replace(`convert_from(data, 'UTF8')`, `encode(data, 'escape')`),
      [slot],
    );
    return rows.map(
      (r: { text: string }) => JSON.parse(r.text.slice(r.text.indexOf('{'))) as { o: string; a: string; u: string },
    );
  };

  it('fills what old writers leave out, leaves NULL without a value or parent, and says who needed it', async () => {
    const target = await start();
    const { admin, database } = prepared;
    await admin.query(`create publication p`);
    await admin.query(`select pg_create_logical_replication_slot('s', 'pgoutput')`);
    await installBridge(database, target, assign, budget);
    await admin.query(`set application_name = 'billing-api'`);
    const insert = `insert into "Activity" ("groupId") values ($1) returning "workspaceId" as w`;
    expect((await admin.query(insert, ['g1'])).rows).toEqual([{ w: 'o2' }]);
    expect((await admin.query(insert, [null])).rows).toEqual([{ w: null }]);
    // a value whose referenced parent is not there would fail the foreign key that comes later: left NULL instead
    await admin.query(`insert into "Organization" values ('o9'); insert into "Group" values ('g99', 'o9')`);
    expect((await admin.query(insert, ['g99'])).rows).toEqual([{ w: null }]);
    // the bridge also heals what it meets on the way: an update of another column
    await admin.query(`update "Activity" set title = 'x' where id = 1`);
    expect((await admin.query(`select "workspaceId" is not null as ok from "Activity" where id = 1`)).rows).toEqual([
      { ok: true },
    ]);
    const said = await messages('s');
    expect(said.map((m) => m.o)).toEqual(['resolved', 'left_null', 'left_null', 'resolved']);
    expect(new Set(said.map((m) => m.a))).toEqual(new Set(['billing-api']));
    expect(said[0]?.u).toBe(new URL(prepared.url).username);
  });

  it('observes without assigning, adopts itself, refuses a stranger of its name, and is dropped', async () => {
    const target = await start();
    const { admin, database } = prepared;
    const observe = { mode: 'observe', reports: false } as const;
    expect((await installBridge(database, target, observe, budget)).adopted).toBe(false);
    expect((await installBridge(database, target, observe, budget)).adopted).toBe(true);
    expect(
      (await admin.query(`insert into "Activity" ("groupId") values ('g1') returning "workspaceId" as w`)).rows,
    ).toEqual([{ w: null }]);
    await expect(installBridge(database, target, assign, budget)).rejects.toThrow(/carries our name/);
    const facts = await readBridgeFacts(database.state, target);
    expect(facts).toMatchObject({ triggerExists: true, enabledEverywhere: true, subscribed: false });
    await admin.query(`alter table "Activity" disable trigger "${bridgeName(target)}"`);
    expect((await readBridgeFacts(database.state, target)).enabledEverywhere).toBe(false);
    await dropBridge(database, target, budget);
    expect(await dropBridge(database, target, budget)).toBeUndefined();
    const left = await admin.query(
      `select from pg_proc p join pg_namespace n on n.oid = pronamespace where nspname = 'highwater' and proname ~ 'bridge'`,
    );
    expect(left.rowCount).toBe(0);
    const { rows } = await admin.query(`select step, attempts, lock_mode from highwater.ddl_step order by step_no`);
    expect(rows).toEqual([
      { step: 'bridge', attempts: 1, lock_mode: 'SHARE ROW EXCLUSIVE' },
      { step: 'drop-bridge', attempts: 1, lock_mode: 'ACCESS EXCLUSIVE' },
    ]);
  });

  it('never raises: a privilege taken away, a renamed table, row security leave NULL and report failed', async () => {
    const target = await start();
    const { admin, database, roles } = prepared;
    await admin.query(`create publication p`);
    await admin.query(`select pg_create_logical_replication_slot('s', 'pgoutput')`);
    await installBridge(database, target, assign, budget);
    const insert = `insert into "Activity" ("groupId") values ('g1') returning "workspaceId" as w`;
    await admin.query(`revoke select ("orgId") on "Group" from ${roles.bridge}`);
    expect((await admin.query(insert)).rows).toEqual([{ w: null }]);
    await admin.query(`grant select ("orgId") on "Group" to ${roles.bridge}; alter table "Group" rename to "Team"`);
    expect((await admin.query(insert)).rows).toEqual([{ w: null }]);
    await admin.query(`alter table "Team" rename to "Group"; alter table "Group" enable row level security`);
    expect((await admin.query(insert)).rows).toEqual([{ w: null }]);
    expect((await messages('s')).map((m) => m.o)).toEqual(['failed', 'failed', 'left_null']);
    await admin.query(`alter table "Group" disable row level security`);
    expect((await admin.query(insert)).rows).toEqual([{ w: 'o2' }]);
    // a cancelled statement stays cancelled
    await admin.query(`begin; lock table "Group" in access exclusive mode`);
    const writer = new pg.Client({ connectionString: prepared.url });
    await writer.connect();
    await expect(writer.query(`set lock_timeout = 50; ${insert}`)).rejects.toMatchObject({ code: '55P03' });
    await admin.query('rollback');
    await writer.end();
  });

  it('is refused at install when the rule cannot be run as its owner', async () => {
    const target = await start();
    const { admin, database, roles } = prepared;
    await admin.query(`revoke select ("orgId") on "Group" from ${roles.bridge}`);
    await expect(installBridge(database, target, assign, budget)).rejects.toMatchObject({ code: 'HW5011' });
    await admin.query(
      `grant select ("orgId") on "Group" to ${roles.bridge}; alter table "Group" enable row level security`,
    );
    await expect(installBridge(database, target, assign, budget)).rejects.toThrow(/row-level security/);
  });

  it('gives up within its budget, names the session and the prepared transaction, and leaves nothing', async () => {
    const target = await start();
    const { admin, database } = prepared;
    const holder = new pg.Client({ connectionString: prepared.url, application_name: 'nightly-report' });
    await holder.connect();
    await holder.query(`begin; insert into "Activity" ("groupId") values ('g1')`);
    const machine = await bystander(prepared.url);
    const waited = await timeTaken(machine, () =>
      expect(installBridge(database, target, assign, tight)).rejects.toThrow(
        /SHARE ROW EXCLUSIVE lock not obtained in 2 attempts of 300 ms; pid \d+ "nightly-report" .* holds RowExclusiveLock on public."Activity"/,
      ),
    );
    await machine.stop();
    expect(waited).toBeLessThan(3_000);
    expect(await readBlockers(database.state, [target.derivation.table.relid])).toMatchObject([
      { kind: 'session', applicationName: 'nightly-report' },
    ]);
    // a busy server may look only when the attempt is over, and nobody waits for anybody any more
    const lateLooks = {
      query: async (...asked: Parameters<typeof database.state.query>) => {
        const waiting = `select from pg_locks where not granted and relation = '"Activity"'::regclass`;
        if (asked[0] === 'reading lock holders')
          await waitFor('the attempt to be over', async () => (await admin.query(waiting)).rowCount === 0);
        return database.state.query(...asked);
      },
    };
    const looksLate = {
      ...database,
      state: Object.assign(Object.create(database.state) as typeof database.state, lateLooks),
    };
    await expect(installBridge(looksLate, target, assign, tight)).rejects.toThrow(/pid \d+ "nightly-report" .* holds/);
    await holder.query(`prepare transaction 'forgotten'`);
    await expect(installBridge(database, target, assign, tight)).rejects.toThrow(/prepared transaction "forgotten"/);
    await holder.query(`rollback prepared 'forgotten'`);
    await holder.end();
    expect((await admin.query(`select from pg_trigger where tgname like '~hw%'`)).rowCount).toBe(0);
    await installBridge(database, target, assign, budget);
  });

  it('makes the application wait no longer than the budget, partitions together', async () => {
    const target = await start(
      `${workspaceSchema.replace(/create table "Activity".*$/s, '')} create table "Activity" (id bigint, "groupId" text references "Group", "workspaceId" text, primary key (id)) partition by range (id);
       create table a1 partition of "Activity" for values from (0) to (100); create table a2 partition of "Activity" for values from (100) to (200);
       create table a3 partition of "Activity" for values from (200) to (300)`,
      workspacePlan,
      workspaceSeed
        .replace('insert into "Activity" (', 'insert into "Activity" (id, ')
        .replace(`select 'g' || (g % 9 + 1), 'activity'`, `select g, 'g' || (g % 9 + 1)`)
        .replace('"groupId", title', '"groupId"'),
    );
    const { admin, database } = prepared;
    const machine = await bystander(prepared.url);
    const holders = await Promise.all(
      ['a1', 'a2', 'a3'].map(async (leaf) => {
        const client = new pg.Client({ connectionString: prepared.url });
        await client.connect();
        await client.query(`begin; update ${leaf} set "groupId" = "groupId" where false`);
        return client;
      }),
    );
    const attempt = installBridge(database, target, assign, { ...tight, lockBudgetMs: 2_000 });
    const refused = expect(attempt).rejects.toMatchObject({ code: 'HW5001' });
    await waitFor('our lock request to queue', async () => {
      const { rowCount } = await admin.query(
        `select from pg_locks where not granted and relation in ('"Activity"'::regclass, 'a1'::regclass)`,
      );
      return rowCount === 1;
    });
    // each partition but the last is let go long before a timeout per lock would strike: 4.4 s in sum
    const letGo = holders.map(async (client, i) => {
      await (i < 2 ? new Promise((resolve) => setTimeout(resolve, 1_200 * (i + 1))) : refused);
      await client.query('rollback');
      await client.end();
    });
    const insert = `insert into "Activity" (id, "groupId") values (50 + 200, 'g1')`;
    expect(await timeTaken(machine, () => admin.query(insert))).toBeLessThan(3_000);
    await machine.stop();
    await Promise.all(letGo);
    await installBridge(database, target, assign, budget);
    expect(await readBridgeFacts(database.state, target)).toMatchObject({ enabledEverywhere: true });
    expect(
      (
        (await admin.query(
          `insert into "Activity" (id, "groupId") values (99, 'g1') on conflict do nothing; insert into "Activity" (id, "groupId") values (299, 'g1') returning "workspaceId" as w`,
        )) as unknown as pg.QueryResult[]
      )[1]?.rows,
    ).toEqual([{ w: 'o2' }]);
  });

  it('fires for rows that a subscription writes', async () => {
    const target = await start();
    const { admin, database, url } = prepared;
    const source = new pg.Client({ connectionString: await postgres.freshDatabase() });
    await source.connect();
    await source.query(
      `create table "Activity" (id bigint primary key, "groupId" text); create publication pub for table "Activity"`,
    );
    await source.query(`select pg_create_logical_replication_slot('sub', 'pgoutput')`);
    const from = new URL(source.database === undefined ? url : url.replace(/[^/]*$/, source.database));
    await admin.query(
      `create subscription sub connection 'host=${from.hostname} port=${from.port} dbname=${source.database ?? ''} user=${from.username} password=${from.password}'
         publication pub with (create_slot = false, slot_name = 'sub', copy_data = false)`,
    );
    await installBridge(database, target, assign, budget);
    expect(await readBridgeFacts(database.state, target)).toMatchObject({ subscribed: true, enabledEverywhere: true });
    await source.query(`insert into "Activity" values (1000, 'g1')`);
    const replicated = await waitFor('the replicated row', async () => {
      const { rows } = await admin.query<{ w: string | null }>(
        `select "workspaceId" as w from "Activity" where id = 1000`,
      );
      return rows[0];
    });
    expect(replicated).toEqual({ w: 'o2' });
    await admin.query('drop subscription sub');
    await source.end();
  });

  it('adopts what it finds after the answer was lost, and what was not done is done by the next try', async () => {
    const target = await start();
    const { admin, database, roles } = prepared;
    const holder = new pg.Client({ connectionString: prepared.url });
    await holder.connect();
    await holder.query(`begin; insert into "Activity" ("groupId") values ('g1')`);
    const attempt = installBridge(database, target, assign, { ...budget, lockAttempts: 1, lockBudgetMs: 300_000 });
    const failed = expect(attempt).rejects.toMatchObject({ code: 'HW5002', retry: 'reconcile' });
    await waitFor('the step to queue, then its connection to be cut', async () => {
      const { rows } = await admin.query(
        `select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_locks l on l.pid = a.pid where a.usename = $1 and not l.granted`,
        [roles.ddl],
      );
      return rows.length > 0;
    });
    await failed;
    await holder.query('rollback');
    await holder.end();
    expect(await readBridgeFacts(database.state, target)).toMatchObject({
      triggerExists: false,
      functionExists: false,
    });
    expect((await installBridge(database, target, assign, budget)).adopted).toBe(false);
    expect((await installBridge(database, target, assign, budget)).adopted).toBe(true);
  });

  it('stands aside for a vacuum without queueing, so that nobody waits behind us, and goes on when it is done', async () => {
    const target = await start();
    const { admin, database } = prepared;
    const vacuum = new pg.Client({ connectionString: prepared.url });
    await vacuum.connect();
    await vacuum.query(`begin; lock table "Activity" in share update exclusive mode`);
    const attempt = installBridge(database, target, assign, { ...budget, lockAttempts: 1 });
    attempt.catch(() => undefined); // told below
    const waiting = `select from pg_locks where not granted and relation = '"Activity"'::regclass`;
    for (let look = 1; look <= 3; look += 1) {
      await oneMoreLook(admin);
      expect((await admin.query(waiting)).rowCount, 'lock requests while the vacuum runs').toBe(0);
    }
    await vacuum.query('rollback');
    expect(await attempt).toMatchObject({ attempts: 1, adopted: false });
    await vacuum.end();
  });

  it('serves two targets of one table, each with a function of its own', async () => {
    const plan = `${workspacePlan.replace(
      'cutover:',
      `  - table: Activity
    target: { column: orgId, type: text }
    references: none
    rule: { via: groupId, then: { column: orgId } }
cutover:`,
    )}`;
    await start(workspaceSchema.replace('title text)', 'title text, "orgId" text)'), plan);
    const { admin, database, targets } = prepared;
    for (const target of targets) await installBridge(database, target, assign, budget);
    const { rows } = await admin.query(
      `insert into "Activity" ("groupId") values ('g1') returning "workspaceId" as w, "orgId" as o`,
    );
    expect(rows).toEqual([{ w: 'o2', o: 'o2' }]);
    for (const target of targets) await dropBridge(database, target, budget);
  });
});
