import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan } from '../support/engine-run.js';
import { oldApplication } from '../support/old-application.js';
import { gone, runToBridged, serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

const secondsMax = 20;

describe('SIGTERM under load', () => {
  it('F25 an index build that waits is cancelled: exit 0 within 20 s, and the next process builds it again', async () => {
    const plan = quickPlan('shut-down');
    run = await serviceRun(await postgres.freshDatabase(), plan);
    const { admin } = run.prepared;
    const service = await run.start();
    await runToBridged(run, plan);
    const old = oldApplication(await run.client('old-app'), 15);
    // an old snapshot, taken elsewhere: it stands in nobody's way but of an index that is built concurrently
    const holder = await run.client('long-report');
    await holder.query(`begin isolation level repeatable read; select count(*) from "Organization"`);
    const cutover = await run.cutover();
    await waitFor(
      'an index build to wait',
      async () =>
        (
          await admin.query(
            `select from pg_stat_activity where query like 'create index concurrently%' and wait_event_type = 'Lock'`,
          )
        ).rowCount === 1,
    );
    const began = Date.now();
    service.child.kill('SIGTERM');
    expect(await gone(service, 'the process to exit')).toBe('0');
    expect((Date.now() - began) / 1000).toBeLessThan(secondsMax);
    const invalid = async (): Promise<number> =>
      (await admin.query('select from pg_index where not indisvalid')).rowCount ?? 0;
    expect(await invalid()).toBe(1);
    await holder.query('rollback');
    await run.start();
    expect(await run.settled(cutover)).toMatchObject({ status: 'succeeded' });
    expect(await invalid()).toBe(0);
    await old.stop();
    expect(old.failed).toEqual([]);
  });

  it('F25 in the middle of a sweep: exit 0 within 20 s; two signals at once lose nothing either, what is left is filled by the next', async () => {
    const plan = quickPlan('shut-down-sweep').concat('limits: { sweepRowsPerSecondMax: 300, chunkRowsMax: 200 }\n');
    run = await serviceRun(await postgres.freshDatabase(), plan, {
      seed: `insert into "Organization" select 'o' || g, 'org' from generate_series(1, 3) g; insert into "Workspace" select id, name from "Organization";
        insert into "Group" (id, "orgId", name) select 'g' || g, 'o' || (g % 3 + 1), 'group' from generate_series(1, 9) g;
        insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'activity' from generate_series(1, 20000) g`,
    });
    const { admin } = run.prepared;
    const filled = async (): Promise<number> =>
      Number(
        (await admin.query<{ n: string }>(`select count(*) as n from "Activity" where "workspaceId" is not null`))
          .rows[0]?.n,
      );
    const first = await run.start();
    const here = run;
    await waitFor('the plan', async () => (await here.call('/migrations', { body: plan }))?.status === 202);
    await run.asked(`/migrations/${run.id}/start`, {});
    await waitFor('rows', async () => (await filled()) > 1_000);
    const began = Date.now();
    first.child.kill('SIGTERM');
    expect(await gone(first, 'the first process to exit')).toBe('0');
    expect((Date.now() - began) / 1000).toBeLessThan(secondsMax);
    const after = await filled();
    expect(after).toBeLessThan(20_000);

    const second = await run.start();
    await waitFor('more rows', async () => (await filled()) > after + 1_000);
    // two of one kind would be told to a busy process as one; the code is the second one's when it was not waited for
    second.child.kill('SIGTERM');
    second.child.kill('SIGINT');
    expect(['0', '130', '143']).toContain(await gone(second, 'the second process to exit'));

    await run.start();
    const limits = { sweepRowsPerSecondMax: 0, reason: 'nobody stops it any more' };
    await waitFor('the limit to be lifted', async () => {
      const answer = await here.call(`/migrations/${here.id}/limits`, { method: 'PATCH', body: limits });
      return answer?.status === 202;
    });
    await run.until('bridged');
    const { rows } = await admin.query(
      `select count(*)::int as wrong from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" is distinct from g."orgId"`,
    );
    expect(rows).toEqual([{ wrong: 0 }]);
  });
});
