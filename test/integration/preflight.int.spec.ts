import { afterEach, describe, expect, it } from 'vitest';
import { compilePlan } from '@highwater/derivation';
import {
  addColumn,
  blocking,
  installBridge,
  openDatabase,
  readCatalogForPlan,
  runPreflight,
  type PreflightCheck,
} from '@highwater/target-db';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { majors, usePostgres } from '../support/stack.js';

/** Nobody is in the way of these, and a busy machine is not what is asked about. */
const patient = { lockBudgetMs: 30_000, lockAttempts: 2 };

describe.each(majors)('preflight on PostgreSQL %i', (major) => {
  const postgres = usePostgres({ major });
  let prepared: Prepared;
  afterEach(() => prepared.close());

  const run = (changes: Partial<Parameters<typeof runPreflight>[0]> = {}): Promise<PreflightCheck[]> =>
    runPreflight({ ...prepared, kafka: { reachable: true }, ...changes });
  const names = (checks: readonly PreflightCheck[]): string[] => checks.map((c) => c.check);

  it('passes with exactly the printed grants, before and after the schema is installed', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan, { install: false });
    await prepared.admin.query(`${workspaceSeed}; analyze`);
    const checks = await run();
    expect(checks.filter((c) => c.status !== 'pass')).toEqual([]);
    expect(checks.find((c) => c.check === 'TargetState' && c.table === 'public."Activity"')?.message).toMatch(
      /about 200 rows/,
    );
    await prepared.database.ddl.query('x', 'select 1');
  });

  it('passes for a column that is still to be added; expand grants it to those who need it', async () => {
    prepared = await prepare(
      await postgres.freshDatabase(),
      workspaceSchema.replaceAll(', "workspaceId" text', ''),
      workspacePlan.replace('type: text }', 'type: text, addColumn: true }'),
    );
    expect(blocking(await run())).toEqual([]);
    const { database, plan, targets } = prepared;
    for (const { targetNo, derivation } of targets)
      await addColumn(
        database,
        { migrationId: plan.migration, targetNo, table: derivation.table, column: 'workspaceId', type: 'text' },
        patient,
      );
    const catalog = await readCatalogForPlan(database.state, plan);
    const compiled = compilePlan(plan, catalog);
    if ('issues' in compiled) throw new Error('the plan compiles');
    const after = targets.map((target, i) => ({ ...target, derivation: compiled.derivations[i] ?? target.derivation }));
    expect(blocking(await run({ targets: after }))).toEqual([]);
    for (const target of after) await installBridge(database, target, { mode: 'assign', reports: true }, patient);
  });

  it('names each missing grant, and each role with too few connections, with the statement that mends it, and it does', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { admin, roles } = prepared;
    await admin.query(
      `revoke update ("workspaceId") on "Activity" from ${roles.fill}; revoke select ("orgId") on "Group" from ${roles.bridge}; revoke pg_read_all_stats from ${roles.state}`,
    );
    const failed = (await run()).filter((c) => c.status === 'fail');
    expect(failed.map((c) => c.fixSql?.replace(/ with .*/, '')).sort()).toEqual([
      `grant pg_read_all_stats to ${roles.state}`,
      `grant select ("orgId") on table public."Group" to ${roles.bridge}`,
      `grant update ("workspaceId") on table public."Activity" to ${roles.fill}`,
    ]);
    await admin.query(failed.map((c) => c.fixSql).join(';'));
    expect(blocking(await run())).toEqual([]);
    await admin.query(`alter role ${roles.fill} connection limit 9`);
    const [few, ...others] = (await run()).filter((c) => c.status !== 'pass');
    expect([few, others]).toMatchObject([
      { check: 'ConnectionLimit', status: 'warn', code: 'HW2136', fixSql: `alter role ${roles.fill} connection limit 12` },
      [],
    ]); // prettier-ignore
    await admin.query(few?.fixSql ?? '');
    expect((await run()).filter((c) => c.check === 'ConnectionLimit')).toMatchObject([{ status: 'pass' }]);
  });

  it('blocks on what would surprise the application until it is accepted by name', async () => {
    prepared = await prepare(
      await postgres.freshDatabase(),
      `${workspaceSchema.replace('title text)', 'title text, unique ("groupId", "workspaceId"))')};
       create function touch() returns trigger language plpgsql as 'begin return new; end';
       create trigger touch before update on "Activity" for each row execute function touch();
       create trigger "~~last" before insert on "Activity" for each row execute function touch();
       alter table "Group" add constraint fk foreign key ("workspaceId") references "Workspace" on delete set null`,
      workspacePlan.replace(', onDelete: restrict', ''), // which would replace the key
    );
    await prepared.admin.query(
      `create publication downstream for table "Group"; create publication hw_00000000 for table "Group"`,
    );
    const blocked = blocking(await run());
    expect(names(blocked).sort()).toEqual([
      'ForeignKeySetNull',
      'PublishedElsewhere',
      'TriggerOnUpdate',
      'TriggerSortsLast',
      'UniqueOnTarget',
    ]);
    expect(blocked.every((c) => c.message.includes(`accept: [${c.check}]`))).toBe(true);
    const accepted = { ...prepared.plan, accept: names(blocked) };
    const again = await run({ plan: accepted });
    expect(blocking(again)).toEqual([]);
    expect(again.filter((c) => c.check === 'Leftover')).toMatchObject([
      { status: 'warn', message: expect.stringMatching(/publication hw_00000000/) as string },
    ]);
  });

  it('refuses row level security without BYPASSRLS, inheritance, a taken index name and a row budget too near deadlock_timeout', async () => {
    prepared = await prepare(
      await postgres.freshDatabase(),
      `${workspaceSchema}; create table child () inherits ("Group"); create table "Activity_workspaceId_idx" (); alter table "Activity" enable row level security`,
      workspacePlan,
      { edit: (grants) => grants.replaceAll(/alter role .* bypassrls;/g, '') },
    );
    const limits = { ...prepared.plan.limits, rowBudgetMs: 900, lockBudgetMs: 1_000 };
    const found = await run({ plan: { ...prepared.plan, limits } });
    expect(found.find((c) => c.check === 'LockBudget')).toMatchObject({ status: 'warn', code: 'HW2137' });
    const failed = found.filter((c) => c.status === 'fail');
    expect(names(failed).sort()).toEqual([
      'DeadlockTimeout',
      'IndexName',
      'Inheritance',
      'RowLevelSecurity',
      'RowLevelSecurity',
    ]);
    await prepared.admin.query(
      failed
        .filter((c) => c.check === 'RowLevelSecurity')
        .map((c) => c.fixSql)
        .join(';'),
    );
    expect(names((await run()).filter((c) => c.status === 'fail'))).toEqual(['Inheritance', 'IndexName']);
  });

  it('reports a prepared transaction, a superuser, and a connection that fails as the only answer', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { admin, url } = prepared;
    await admin.query('begin');
    await admin.query(`insert into "Organization" values ('o')`);
    await admin.query(`prepare transaction 'forgotten'`);
    const superuser = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url } });
    const checks = await run({
      database: superuser,
      plan: { ...prepared.plan, stream: null, cutover: { ...prepared.plan.cutover, mode: 'strict' } },
    });
    await superuser.close();
    await admin.query(`rollback prepared 'forgotten'`);
    expect(checks.filter((c) => c.status !== 'pass').map((c) => [c.check, c.status])).toEqual([
      ['StrictNeedsStream', 'fail'],
      ['OpenTransaction', 'warn'],
      ['SuperuserAccess', 'warn'],
      ['SharedRole', 'warn'],
    ]);
    const wrong = openDatabase({
      urls: { stream: url, fill: url.replace('127.0.0.1', 'localhost').replace(/:\d+\//, ':1/'), state: url, ddl: url },
    });
    expect(names(await run({ database: wrong }))).toEqual(['Connection']);
    await wrong.close();
  });
});

describe('preflight on a server with unlimited slots', () => {
  const postgres = usePostgres({ settings: { max_slot_wal_keep_size: '-1' } });

  it('asks that it be accepted by name', async () => {
    const prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const blocked = blocking(await runPreflight(prepared));
    expect(blocked.map((c) => c.check)).toEqual(['UnlimitedSlotWal']);
    expect(
      blocking(await runPreflight({ ...prepared, plan: { ...prepared.plan, accept: ['UnlimitedSlotWal'] } })),
    ).toEqual([]);
    await prepared.close();
  });
});
