import { afterEach, describe, expect, it } from 'vitest';
import type pg from 'pg';
import { quickPlan } from '../support/engine-run.js';
import { oldApplication } from '../support/old-application.js';
import { frozen, gone, runToBridged, serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

const checks = async (admin: pg.Client): Promise<string[]> =>
  (
    await admin.query<{ name: string }>(`select conname as name from pg_constraint where conname like 'hw\\_%'`)
  ).rows.map((row) => row.name);
const notNull = async (admin: pg.Client): Promise<string[]> =>
  (
    await admin.query<{ t: string }>(
      `select attrelid::regclass::text as t from pg_attribute where attname = 'workspaceId' and attnotnull and attnum > 0 order by 1`,
    )
  ).rows.map((row) => row.t);

/** Keeps VALIDATE waiting without keeping a writer waiting, as a vacuum would. */
async function holdValidate(run: ServiceRun, table: string): Promise<pg.Client> {
  const holder = await run.client('maintenance');
  await holder.query(`begin; lock table ${table} in share update exclusive mode`);
  return holder;
}
const validating = (admin: pg.Client): Promise<boolean> =>
  waitFor(
    'VALIDATE to wait',
    async () =>
      (
        await admin.query(
          `select from pg_stat_activity where query like 'alter table%validate constraint%' and wait_event_type = 'Lock'`,
        )
      ).rowCount === 1,
  );

const validateLeft = (admin: pg.Client): Promise<boolean> =>
  waitFor(
    'the attempt to let go of VALIDATE',
    async () =>
      (await admin.query(`select from pg_stat_activity where query like 'alter table%validate%' and state = 'active'`))
        .rowCount === 0,
  );

describe('a cutover that must end in the middle', () => {
  it.each(['pause', 'halt'] as const)(
    'F100 %s behind the guard: acknowledged with the check taken back, the attempt failed by name, and enforced when asked again after resume',
    async (verb) => {
      const plan = quickPlan(`stopped-by-${verb}`);
      run = await serviceRun(await postgres.freshDatabase(), plan);
      const { admin } = run.prepared;
      const service = await run.start({ failpoints: 'cutover.afterGuarded=pause' });
      await runToBridged(run, plan);
      const old = oldApplication(await run.client('old-app'), 15);
      const cutover = await run.cutover();
      await frozen(service, 'the process to freeze behind the guard');
      expect(await checks(admin)).toHaveLength(1);
      // VALIDATE would scan for hours: it waits here for somebody else's maintenance
      const holder = await holdValidate(run, '"Group"');
      service.child.kill('SIGCONT');
      await validating(admin);
      const { body } = await run.asked(`/migrations/${run.id}/${verb}`, { reason: 'enough' });
      await validateLeft(admin);
      await holder.query('rollback');
      expect(await run.settled(String(body['id']))).toMatchObject({ status: 'succeeded' });
      expect(await checks(admin)).toEqual([]);
      expect(await notNull(admin)).toEqual([]);
      expect(await run.settled(cutover)).toMatchObject({ status: 'failed', error: { code: 'HW5094' } });
      expect((await run.events()).findLast((event) => event.type.startsWith('Cutover'))).toMatchObject({
        type: 'CutoverFailed',
        data: { code: 'HW5094' },
      });

      await run.asked(`/migrations/${run.id}/resume`, {});
      expect(await run.settled(await run.cutover())).toMatchObject({ status: 'succeeded' });
      await old.stop();
      expect(old.failed).toEqual([]);
      expect(await notNull(admin)).toEqual(['"Activity"', '"Group"']);
    },
  );

  it('F15 killed between the end of an attempt and the word to who asked for it: the next process says how it ended', async () => {
    const plan = quickPlan('ended-by-pause');
    run = await serviceRun(await postgres.freshDatabase(), plan);
    const { admin } = run.prepared;
    const service = await run.start({ failpoints: 'cutover.afterGuarded=pause;cutover.afterFailed=kill' });
    await runToBridged(run, plan);
    const cutover = await run.cutover();
    await frozen(service, 'the process to freeze behind the guard');
    const holder = await holdValidate(run, '"Group"');
    service.child.kill('SIGCONT');
    await validating(admin);
    await run.asked(`/migrations/${run.id}/pause`, { reason: 'enough' });
    await validateLeft(admin);
    await holder.query('rollback');
    expect(await gone(service, 'the process to die with its attempt failed')).toBe('SIGKILL');
    await run.start();
    // paused by now, but it had begun
    expect(await run.settled(cutover)).toMatchObject({ status: 'failed', error: { code: 'HW5094' } });
  });

  it('F15 the same with nobody in its way any more: the next process does not begin it a second time', async () => {
    const plan = quickPlan('ended-by-lock');
    run = await serviceRun(await postgres.freshDatabase(), plan);
    const { admin } = run.prepared;
    const service = await run.start({ failpoints: 'cutover.afterFailed=kill' });
    await runToBridged(run, plan);
    const reader = await run.client('reader');
    await reader.query('begin; lock table "Group", "Activity" in access share mode');
    const cutover = await run.cutover({ lockBudget: '100ms', lockAttempts: 1 });
    expect(await gone(service, 'the process to die with its attempt failed')).toBe('SIGKILL');
    await reader.query('rollback');
    await run.start();
    expect(await run.settled(cutover)).toMatchObject({ status: 'failed', error: { code: 'HW5001' } });
    expect((await run.events()).filter((event) => event.type === 'CutoverBegan')).toHaveLength(1);
    expect(await notNull(admin)).toEqual([]);
    // who asks again has what they ask for
    expect(await run.settled(await run.cutover())).toMatchObject({ status: 'succeeded' });
  });

  it('F15 a kill during VALIDATE leaves no lock, and the next process goes on from the guard', async () => {
    const plan = quickPlan('killed-validate');
    run = await serviceRun(await postgres.freshDatabase(), plan);
    const { admin } = run.prepared;
    const service = await run.start({ failpoints: 'cutover.afterGuarded=pause' });
    await runToBridged(run, plan);
    const old = oldApplication(await run.client('old-app'), 15);
    const cutover = await run.cutover();
    await frozen(service, 'the process to freeze behind the guard');
    const holder = await holdValidate(run, '"Group"');
    service.child.kill('SIGCONT');
    await validating(admin);
    await service.kill('SIGKILL');
    await waitFor(
      'the server to end its sessions',
      async () =>
        (await admin.query(`select from pg_stat_activity where application_name like 'highwater/%'`)).rowCount === 0,
    );
    const { rows } = await admin.query(
      `select l.mode from pg_locks l join pg_class c on c.oid = l.relation where c.relname in ('Group', 'Activity') and l.mode like '%Exclusive%'
         and l.pid not in (select pid from pg_stat_activity
                            where application_name in ('maintenance', 'old-app', 'app') or backend_type = 'autovacuum worker')`,
    );
    expect(rows).toEqual([]);
    await holder.query('rollback');
    await run.start();
    expect(await run.settled(cutover)).toMatchObject({ status: 'succeeded' });
    await old.stop();
    expect(old.failed).toEqual([]);
  });
});
