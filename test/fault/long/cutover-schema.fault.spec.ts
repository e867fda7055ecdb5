import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../../support/engine-run.js';
import { frozen, runToBridged, serviceRun, type ServiceRun } from '../../support/service-run.js';
import { usePostgres, waitFor } from '../../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

const condition = async (here: ServiceRun, type: string): Promise<Record<string, unknown> | undefined> =>
  (
    (await here.call(`/cutover/readiness?migration=${here.id}`))?.body['conditions'] as
      Record<string, unknown>[] | undefined
  )?.find((one) => one['type'] === type);
const reason = async (here: ServiceRun): Promise<{ code: string; message: string } | undefined> =>
  (await here.call(`/migrations/${here.id}`))?.body['reason'] as { code: string; message: string } | undefined;
const gates = async (here: ServiceRun): Promise<unknown> =>
  (
    await here.prepared.admin.query(`select sweep_open, live_open from highwater.gate where migration_id = $1`, [
      here.id,
    ])
  ).rows[0];
const filled = async (here: ServiceRun): Promise<number> =>
  Number(
    (
      await here.prepared.admin.query<{ n: string }>(
        `select count(*) as n from "Activity" where "workspaceId" is not null`,
      )
    ).rows[0]?.n,
  );

const slowPlan = (name: string): string =>
  quickPlan(name).concat('limits: { sweepRowsPerSecondMax: 1500, chunkRowsMax: 200 }\n');
const manyRows = `insert into "Organization" select 'o' || g, 'org' from generate_series(1, 3) g; insert into "Workspace" select id, name from "Organization";
  insert into "Group" (id, "orgId", name) select 'g' || g, 'o' || (g % 3 + 1), 'group' from generate_series(1, 9) g;
  insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'activity' from generate_series(1, 12000) g`;

/** What a colleague does to the tables in the middle of the run, and how it is taken back. */
const changes = [
  [
    'an input column renamed',
    `alter table "Group" rename column "orgId" to "organizationId"`,
    `alter table "Group" rename column "organizationId" to "orgId"`,
  ],
  [
    'the type of an input changed',
    `alter table "Group" alter column "orgId" type varchar(80)`,
    `alter table "Group" alter column "orgId" type text`,
  ],
] as const;

describe('the tables change in the middle of the run', () => {
  it.each(changes)(
    'F54 %s while the sweep runs: it stops with SchemaChanged, pause and resume are carried out by a new process too, and it goes on once that is undone',
    async (what, change, undo) => {
      const plan = slowPlan(`changed-${changes.findIndex(([name]) => name === what)}`);
      const here = (run = await serviceRun(await postgres.freshDatabase(), plan, { seed: manyRows }));
      const { admin } = here.prepared;
      const first = await here.start();
      await waitFor('the plan', async () => (await here.call('/migrations', { body: plan }))?.status === 202);
      await here.asked(`/migrations/${here.id}/start`, {});
      await waitFor('rows', async () => (await filled(here)) > 500, { timeoutMs: 60_000 });
      await admin.query(change);
      await waitFor(
        'SchemaUnchanged to be False',
        async () => (await condition(here, 'SchemaUnchanged'))?.['status'] === 'False',
        {
          timeoutMs: 30_000,
          describe: () => condition(here, 'SchemaUnchanged'),
        },
      );
      await waitFor('the reason', async () => (await reason(here))?.code === 'SchemaChanged');
      expect(await gates(here)).toEqual({ sweep_open: false, live_open: false });
      const before = await filled(here);
      // a process that knows the plan only by the catalog it fitted last
      await first.kill('SIGKILL');
      await here.start();
      await waitFor('the reason from the new process', async () => (await reason(here))?.code === 'SchemaChanged', {
        timeoutMs: 30_000,
      });
      for (const verb of ['halt', 'resume']) {
        const { body } = await here.asked(`/migrations/${here.id}/${verb}`, { reason: 'test' });
        expect(await here.settled(String(body['id']), 20_000)).toMatchObject({ status: 'succeeded' });
      }
      expect(await gates(here)).toEqual({ sweep_open: false, live_open: false });
      expect(await filled(here)).toBe(before);
      expect((await admin.query(`select from highwater.unfillable_row`)).rowCount).toBe(0);

      await admin.query(undo);
      await here.until('bridged', 90_000);
      const { rows } = await admin.query(
        `select count(*)::int as wrong from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" is distinct from g."orgId"`,
      );
      expect(rows).toEqual([{ wrong: 0 }]);
    },
  );

  it('F54 an input column renamed behind the guard: the attempt ends and its check is taken back; dropped after enforcement, finish cleans up all the same', async () => {
    const plan = quickPlan('dropped');
    const here = (run = await serviceRun(await postgres.freshDatabase(), plan));
    const { admin } = here.prepared;
    const service = await here.start({ failpoints: 'cutover.afterGuarded=pause' });
    await runToBridged(here, plan);
    const cutover = await here.cutover();
    await frozen(service, 'the process to freeze behind the guard');
    await service.kill('SIGKILL');
    // VALIDATE would be through in an instant: it waits for a colleague's maintenance
    const holder = await here.client('maintenance');
    await holder.query(`begin; lock table "Group" in share update exclusive mode`);
    await admin.query(`alter table "Activity" rename column "groupId" to "group"`);
    await here.start();
    const checks = async (): Promise<number> =>
      (await admin.query(`select from pg_constraint where conname like 'hw\\_%'`)).rowCount ?? 0;
    expect(await checks()).toBe(1);
    await waitFor(
      'the attempt to let go of VALIDATE',
      async () =>
        (await condition(here, 'SchemaUnchanged'))?.['status'] === 'False' &&
        (
          await admin.query(
            `select from pg_stat_activity where query like 'alter table%validate%' and state = 'active'`,
          )
        ).rowCount === 0,
      { timeoutMs: 30_000 },
    );
    await holder.query('rollback');
    expect(await here.settled(cutover)).toMatchObject({ status: 'failed', error: { code: 'HW5094' } });
    expect(await checks()).toBe(0);
    await admin.query(`alter table "Activity" rename column "group" to "groupId"`);
    expect(await here.settled(await here.cutover())).toMatchObject({ status: 'succeeded' });
    // after enforcement the rule's inputs may go: finish needs the names of what it takes away alone
    await admin.query(`alter table "Activity" drop column "groupId"`);
    const { body } = await here.asked(`/migrations/${here.id}/finish`, { bridgeUnused: true });
    expect(await here.settled(String(body['id']))).toMatchObject({ status: 'succeeded', result: { leftovers: [] } });
  });
});
