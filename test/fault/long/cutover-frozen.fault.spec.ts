import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../../support/engine-run.js';
import { catalogLines } from '../../support/catalog-golden.js';
import { sampleGuards } from '../../support/guard-sampler.js';
import { enforced, oldApplication, oracle } from '../../support/old-application.js';
import { frozen, runToBridged, serviceRun, type ServiceRun } from '../../support/service-run.js';
import { usePostgres, waitFor } from '../../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

const points = [
  'cutover.afterBegan',
  'cutover.guardSent',
  'cutover.afterGuard',
  'cutover.afterGuarded',
  'cutover.afterValidate',
  'cutover.setNotNullSent',
  'cutover.afterSetNotNull',
  'cutover.afterEnforced',
  'cutover.afterIndex',
  'cutover.afterForeignKey',
];
/** What the application may wait while a process is frozen: the lock budget asked for, and the machine's own noise. */
const stallMsMax = 3_000;

describe('SIGSTOP at each step of the cutover', () => {
  it('F14 a frozen process holds no lock: the application goes on at every step, and so does the cutover after SIGCONT', async () => {
    const plan = quickPlan('frozen-steps');
    run = await serviceRun(await postgres.freshDatabase(), plan);
    const { admin } = run.prepared;
    const service = await run.start({ failpoints: points.map((point) => `${point}=pause`).join(';') });
    await runToBridged(run, plan);
    const old = oldApplication(await run.client('old-app'), 15);
    const sampler = sampleGuards(await run.client('sampler'));
    const cutover = await run.cutover();
    for (const point of points) {
      await frozen(service, `the process to freeze at ${point}`);
      const before = old.statements();
      const began = Date.now();
      // statements of the application that take their locks in full: none waits behind us
      await waitFor(
        `ten statements of the application while frozen at ${point}`,
        () => old.statements() > before + 10,
        {
          timeoutMs: stallMsMax,
        },
      );
      expect([point, Date.now() - began < stallMsMax]).toEqual([point, true]);
      // a reader of ours may be frozen too, between BEGIN and its answer: its lock stops no reader and no writer
      const { rows } = await admin.query<{ query: string; mode: string }>(
        `select a.query, l.mode from pg_stat_activity a join pg_locks l using (pid)
          where a.application_name like 'highwater/%' and a.state like 'idle in transaction%' and l.locktype = 'relation'
            and l.relation in (select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public')
            and l.mode <> 'AccessShareLock'`,
      );
      expect([point, rows]).toEqual([point, []]);
      service.child.kill('SIGCONT');
    }
    expect(await run.settled(cutover)).toMatchObject({ status: 'succeeded' });
    await old.stop();
    expect(old.failed).toEqual([]);
    expect((await sampler.stop()).unproven).toEqual([]);
    expect((await admin.query(oracle)).rows).toEqual([enforced]);
    expect((await catalogLines(admin)).filter((line) => line.includes('check'))).toEqual([]);
  });
});
