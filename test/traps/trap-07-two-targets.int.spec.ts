import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { oldApplication } from '../support/old-application.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { twoTargets, withoutIdentity } from '../support/two-targets.js';

describe('trap 7 through the whole product', () => {
  const postgres = usePostgres();
  let run: Run | undefined;
  afterEach(() => run?.close());

  it('streams two targets of one table by one publication while the application writes, and fills both', async () => {
    const plan = twoTargets(quickPlan('published', { stream: true }));
    run = await startRun(await postgres.freshDatabase(), plan, { schema: withoutIdentity, kafka: true });
    const { admin } = run.prepared;
    const app = oldApplication(await run.client('shop'), 30);
    await run.until('sweeping');
    await waitFor('the application to write beside the sweep', () => app.statements() > 100);
    await app.stop();
    expect(app.failed).toEqual([]);
    // by hand: everything is filled, with what the rules say
    const oracle = `select (select count(*)::int from pg_publication where pubname like 'hw%') as publications,
              count(*) filter (where a."workspaceId" is distinct from g."orgId")::int as "wrongWorkspace",
              count(*) filter (where a."orgId" is distinct from g."orgId")::int as "wrongOrg"
         from "Activity" a join "Group" g on g.id = a."groupId"`;
    const filled = { publications: 1, wrongWorkspace: 0, wrongOrg: 0 };
    const found = await waitFor('both targets to be filled', async () => {
      const { rows } = await admin.query<typeof filled>(oracle);
      return rows[0]?.wrongWorkspace === 0 && rows[0].wrongOrg === 0 && rows[0];
    });
    expect(found).toEqual(filled);
  });
});
