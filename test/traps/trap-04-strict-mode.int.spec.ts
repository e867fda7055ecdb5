import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { enforced, oldApplication, oracle } from '../support/old-application.js';
import { usePostgres, waitFor } from '../support/stack.js';

describe('trap 4: legacy writers without a bridge', () => {
  const postgres = usePostgres();
  let run: Run | undefined;
  afterEach(() => run?.close());

  it('are named and waited for in mode strict, which enforces when the last one is converted', async () => {
    const plan = quickPlan('strict', { stream: true, mode: 'strict' }).replace('window: 1s', 'window: 3s');
    run = await startRun(await postgres.freshDatabase(), plan, { kafka: true });
    const { engine, id } = run;
    const { admin } = run.prepared;
    const old = oldApplication(await run.client('old-app'), 50);
    await run.until('bridged');
    // of one answer: a window that passes beside a stalled application is told of by another generation
    const { writers, generation } = await waitFor(
      'the old application to be named as somebody who writes',
      async () => {
        const { conditions, generation } = await engine.control.readiness(id);
        const writers = conditions.find((one) => one.type === 'WritersConverted');
        return writers?.message.includes('old-app') && writers.status === 'Unknown'
          ? { writers, generation }
          : undefined;
      },
      { describe: async () => (await engine.control.readiness(id)).conditions },
    );
    expect(writers).toMatchObject({
      status: 'Unknown',
      reason: 'WindowNotElapsed',
      evidence: { application_name: 'old-app' },
    });
    await expect(run.cutover(generation)).rejects.toMatchObject({
      code: expect.stringMatching(/^HW601[12]$/) as string,
    });
    expect((await admin.query(oracle)).rows).toMatchObject([{ notNull: null }]);
    await old.stop();
    expect(old.failed).toEqual([]);

    // converted: it says the value itself, and the window passes without a NULL
    await admin.query(`insert into "Activity" ("groupId", "workspaceId") values ('g1', 'o2')`);
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    await admin.query(`insert into "Activity" ("groupId", "workspaceId") values ('g1', 'o2')`);
    expect((await admin.query(oracle)).rows).toEqual([enforced]);
  });
});
