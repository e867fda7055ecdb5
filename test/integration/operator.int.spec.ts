import { afterEach, describe, expect, it } from 'vitest';
import type { Operation } from '@highwater/roles';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const by = { actor: { name: 'rosa', method: 'header' as const }, reason: 'spec' };

/** What an operator may ask for besides the plain way to enforced: on real servers, through the control port that API and CLI use. */
describe('an operator', () => {
  const postgres = usePostgres();
  let run: Run;
  afterEach(() => run.close());

  const begin = async (name: string, more = ''): Promise<void> => {
    run = await startRun(await postgres.freshDatabase(name), `${quickPlan(name)}${more}`);
  };
  const sql = async <T>(text: string): Promise<T[]> => (await run.prepared.admin.query(text)).rows as T[];
  const settled = (asked: Operation): Promise<Operation> =>
    waitFor(`operation ${asked.verb}`, async () => {
      const now = await run.engine.control.operation(asked.id);
      return (now?.status === 'succeeded' || now?.status === 'failed') && now;
    });
  const condition = (type: string) =>
    waitFor(`condition ${type}`, async () =>
      (await run.engine.control.readiness(run.id)).conditions.find((one) => one.type === type),
    );
  const becomes = (type: string, reason: string) =>
    waitFor(`${type} to be ${reason}`, async () => (await condition(type)).reason === reason, {
      describe: () => condition(type),
    });
  const types = async (): Promise<string[]> =>
    (await run.engine.control.events(run.id, 0, 500)).map((event) => event.type);

  it('repairs what a verification found, verifies again, and is ready', async () => {
    await begin('repaired');
    await run.ready();
    // somebody else's write, after it was filled: ours never corrects it (G2), and only a comparison finds it
    await sql(`update "Activity" set "workspaceId" = 'o1' where id in (1, 2)`);
    await sql(`update "Group" set "workspaceId" = 'o3' where id = 'g9'`);
    const { control } = run.engine;
    const first = await settled(await control.verify(run.id, by));
    const wrong = await sql<{ n: number }>(
      `select (select count(*) from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" is distinct from coalesce(g."workspaceId", g."orgId"))::int
            + (select count(*) from "Group" where "workspaceId" is distinct from "orgId")::int as n`,
    );
    expect(first).toMatchObject({ status: 'succeeded', actor: 'rosa', result: { mismatches: wrong[0]?.n } });
    expect(wrong[0]?.n).toBeGreaterThan(2);
    await becomes('Verified', 'Mismatches');
    const seen = await control.verification(run.id, { limit: 1_000, offset: 0 });
    expect(seen.mismatches).toHaveLength(wrong[0]?.n ?? 0);
    expect(seen.mismatches).toContainEqual(
      expect.objectContaining({ table: 'public.Group', target: 'workspaceId', key: ['g9'] }),
    );
    expect((await control.verification(run.id, { limit: 9, offset: 0, table: 'Group' })).mismatches).toHaveLength(1);
    await expect(control.verification(run.id, { limit: 9, offset: 0, table: 'Grup' })).rejects.toThrow(/Grup/);

    await sql(`update "Group" set "workspaceId" = "orgId"`);
    await sql(`update "Activity" a set "workspaceId" = g."workspaceId" from "Group" g where g.id = a."groupId"`);
    expect(await settled(await control.verify(run.id, by))).toMatchObject({ result: { mismatches: 0 } });
    await becomes('Verified', 'NoMismatches');
    expect(await control.verification(run.id, { limit: 9, offset: 0 })).toMatchObject({
      mismatches: [],
      running: null,
      last: { mismatches: 0, checked: 209 },
    });
    await run.ready();
    // counts alone: no value and no key in an event
    const recorded = (await control.events(run.id, 0, 500)).filter((event) => event.type === 'VerificationCompleted');
    expect(JSON.stringify(recorded)).not.toMatch(/"(o1|o3|g9)"/);
  });

  it('has what a moved source left behind set right where the plan says repair: what we wrote, and nobody changed since', async () => {
    await begin('repairing', 'journal: true\nrepair: true\n');
    await run.ready();
    const { control } = run.engine;
    // g9's organization changes, which its filled value does not follow; and somebody has a value of his own
    await sql(`update "Group" set "orgId" = 'o2' where id = 'g9'`);
    await sql(`update "Activity" set "workspaceId" = 'o1' where id = 1`);
    const followed = `select count(*)::int as n from "Group" g join "Activity" a on a."groupId" = g.id
        where g.id = 'g9' and (g."workspaceId", a."workspaceId") is distinct from ('o2'::text, 'o2'::text)`;
    expect(await sql(followed)).toEqual([{ n: 22 }]);
    // activities follow their group's stored value, so they are wrong only once that is right
    for (const _ of ['the group', 'its activities'])
      expect(await settled(await control.verify(run.id, by))).toMatchObject({
        status: 'succeeded',
        result: { repaired: expect.any(Number) as number },
      });
    expect(await sql(followed)).toEqual([{ n: 0 }]);
    expect(await sql(`select value from highwater.journal where key = '{g9}' order by entry_no`)).toEqual([
      { value: 'o1' },
      { value: 'o2' },
    ]);
    expect(await sql(`select "workspaceId" from "Activity" where id = 1`)).toEqual([{ workspaceId: 'o1' }]);
    const { mismatches } = await control.verification(run.id, { limit: 9, offset: 0 });
    expect(mismatches).toMatchObject([{ table: 'public.Activity', key: ['1'], kept: 'ChangedSince' }]);
    await becomes('Verified', 'Mismatches');
    await sql(`update "Activity" set "workspaceId" = 'o3' where id = 1`);
    await settled(await control.verify(run.id, by));
    await run.ready();
  });

  it('lists unfillable rows by table and reason, corrects them and retries them at once', async () => {
    await begin('retried');
    // no rule gives these a value: two of one reason and one of another
    await run.until('bridged');
    const client = await run.client('app');
    await client.query(`insert into "Group" (id, "orgId") values ('lost', null)`);
    await client.query(`insert into "Activity" ("groupId", title) values ('lost', 'a'), (null, 'b')`);
    const { control } = run.engine;
    const all = await waitFor('three listed rows', async () => {
      const { rows } = await control.unfillable(run.id, { limit: 100 });
      return rows.length === 3 && rows;
    });
    expect(all.map((row) => row.table).sort()).toEqual(['public.Activity', 'public.Activity', 'public.Group']);
    const groups = await control.unfillable(run.id, { limit: 100, table: 'public.Group' });
    expect(groups.rows).toMatchObject([{ key: ['lost'], reason: 'InputNull' }]);
    const reasons = new Set(all.map((row) => row.reason));
    for (const reason of reasons) {
      const some = await control.unfillable(run.id, { limit: 100, reason });
      expect(some.rows.map((row) => row.key)).toEqual(all.filter((row) => row.reason === reason).map((row) => row.key));
    }
    expect((await control.unfillable(run.id, { limit: 2, offset: 2 })).rows).toHaveLength(1);

    // a range that somebody else seems to work on: no tail pass begins any more, so what is filled now was filled by the retry
    await sql(
      `insert into highwater.sweep_range (migration_id, target_no, epoch, pass, range_no, lease_owner, lease_until)
           select id, 0, epoch, 9000, 0, 'elsewhere', clock_timestamp() + interval '1 hour' from highwater.migration`,
    );
    await waitFor('the last tail pass to end', async () => {
      // nobody is about to begin one either: what is waited for is the range of the other
      const { reason } = await control.get(run.id);
      const open = await sql(`select from highwater.sweep_range where not done and pass < 9000`);
      return reason.code === 'TailPass' && open.length === 0;
    });
    await client.query(`alter table "Group" disable trigger user; update "Group" set "orgId" = 'o2' where id = 'lost'`);
    const one = await settled(await control.retryUnfillable(run.id, { table: 'Group' }, by));
    expect(one).toMatchObject({ status: 'succeeded', result: { filled: 1, closed: 1 } });
    expect(await sql(`select "workspaceId" from "Group" where id = 'lost'`)).toEqual([{ workspaceId: 'o2' }]);
    expect((await control.unfillable(run.id, { limit: 9 })).rows).toHaveLength(2);
    const rest = await settled(await control.retryUnfillable(run.id, {}, by));
    expect(rest).toMatchObject({ status: 'succeeded', result: { filled: 1, unfillable: 1, closed: 1 } });
    expect((await control.unfillable(run.id, { limit: 100 })).rows).toMatchObject([{ table: 'public.Activity' }]);
  });

  it('holds the cutover, which is refused and says why, until it is released', async () => {
    await begin('held');
    const before = await run.ready();
    const { control } = run.engine;
    expect(await settled(await control.hold(run.id, { ...by, reason: 'busy evening' }))).toMatchObject({
      status: 'succeeded',
    });
    await becomes('Approved', 'Held');
    expect((await condition('Approved')).message).toContain('Held by rosa since');
    await expect(control.cutover(run.id, { generation: before }, by)).rejects.toMatchObject({ code: 'HW6019' });
    expect(await sql(attnotnull('Group'))).toEqual([{ attnotnull: false }]);
    await settled(await control.release(run.id, by));
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    expect(await types()).toEqual(expect.arrayContaining(['Held', 'CeasedReady', 'Released', 'Enforced']));
    await expect(control.hold(run.id, by)).rejects.toMatchObject({ code: 'HW6014' });
  });

  it('holds a cutover that starts by itself, also after it was taken back', async () => {
    const plan = quickPlan('auto').replace('start: manual', 'start: auto');
    run = await startRun(await postgres.freshDatabase('auto'), plan);
    const { control } = run.engine;
    expect(await settled(await control.hold(run.id, { ...by, reason: 'not today' }))).toMatchObject({
      status: 'succeeded',
    });
    await run.until('bridged');
    await waitFor('every other condition to be True', async () => {
      const { conditions } = await control.readiness(run.id);
      return conditions.every((one) => (one.type === 'Approved') === (one.status !== 'True'));
    });
    expect((await control.get(run.id)).cutover).toMatchObject({ start: 'auto', attempts: 0, held: { actor: 'rosa' } });
    await settled(await control.release(run.id, by));
    await run.until('enforced');
    const attempts = (await types()).filter((type) => type === 'CutoverBegan').length;
    // what somebody takes back in an emergency must not be enforced again within seconds
    expect(await settled(await control.unenforce(run.id, { lockBudgetMs: 5_000 }, by))).toMatchObject({
      status: 'succeeded',
    });
    await becomes('Approved', 'Held');
    expect((await control.get(run.id)).cutover).toMatchObject({ attempts });
    expect(await types()).toEqual(expect.arrayContaining(['Unenforced', 'Held']));
    expect(await sql(attnotnull('Group'))).toEqual([{ attnotnull: false }]);
  });

  it('takes NOT NULL back by bounded attempts, keeps the bridge, and cuts over again', async () => {
    await begin('undone');
    const { control } = run.engine;
    await expect(control.unenforce(run.id, {}, by)).rejects.toMatchObject({ code: 'HW6014' });
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });

    // a reader in the way: bounded, named, nothing half done
    const reader = await run.client('report');
    await reader.query('begin; select count(*) from "Group"');
    const refused = await settled(await control.unenforce(run.id, { lockBudgetMs: 60, lockAttempts: 2 }, by));
    expect(refused).toMatchObject({ status: 'failed' });
    expect(refused.error?.message).toContain('report');
    expect(await sql(attnotnull('Group'))).toEqual([{ attnotnull: true }]);
    await reader.query('rollback');

    expect(await settled(await control.unenforce(run.id, { lockBudgetMs: 5_000 }, by))).toMatchObject({
      status: 'succeeded',
    });
    expect(await sql(attnotnull('Group'))).toEqual([{ attnotnull: false }]);
    expect(await sql(attnotnull('Activity'))).toEqual([{ attnotnull: false }]);
    expect(await types()).toContain('Unenforced');
    expect((await control.get(run.id)).phase).toBe('bridged');
    // the bridge stands: an old writer still gets its value
    const old = await run.client('old-app');
    const { rows } = await old.query(`insert into "Activity" ("groupId") values ('g1') returning "workspaceId"`);
    expect(rows).toEqual([{ workspaceId: 'o2' }]);
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    expect(await sql(attnotnull('Activity'))).toEqual([{ attnotnull: true }]);
  });
});

const attnotnull = (table: string): string =>
  `select attnotnull from pg_attribute where attrelid = '"${table}"'::regclass and attname = 'workspaceId'`;
