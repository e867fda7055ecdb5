import { afterEach, describe, expect, it } from 'vitest';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { enforced, oldApplication, oracle } from '../support/old-application.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

/*
 * Filling asynchronously hides writers that have never heard of the target: their NULLs are legal until the second of enforcement, and
 * then they break. So the cutover bridges them, or waits until none is left.
 */

describe('trap 4: legacy writers', () => {
  const postgres = usePostgres();
  let run: Run | undefined;
  afterEach(async () => {
    await run?.close();
    run = undefined;
  });

  it('is real: they break in the second of enforcement, and not before', async () => {
    const prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { admin } = prepared;
    await admin.query(workspaceSeed);
    const insert = `insert into "Activity" ("groupId") values ('g1')`;
    await admin.query(insert);
    await admin.query(
      `update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId"; alter table "Activity" alter column "workspaceId" set not null`,
    );
    await expect(admin.query(insert)).rejects.toMatchObject({ code: '23502' });
    await prepared.close();
  });

  it('are carried by the bridge before, during and after enforcement: no statement of theirs fails', async () => {
    run = await startRun(await postgres.freshDatabase(), quickPlan('bridged'));
    const old = oldApplication(await run.client('old-app'));
    await run.until('bridged');
    const cutover = await run.cutoverOnceReady();
    expect(cutover).toMatchObject({ status: 'succeeded' });
    const atEnforcement = old.statements();
    await waitFor('the old application to go on after enforcement', () => old.statements() > atEnforcement + 50);
    await old.stop();
    expect(old.failed).toEqual([]);
    expect((await run.prepared.admin.query(oracle)).rows).toEqual([enforced]);
  });

  it('are not surprised when somebody disables the bridge: not ready, said so, nothing enforced', async () => {
    run = await startRun(await postgres.freshDatabase(), quickPlan('disabled'));
    const { engine, id } = run;
    const { admin } = run.prepared;
    await run.until('bridged');
    await run.ready();
    const { rows } = await admin.query<{ name: string }>(
      `select quote_ident(tgname) as name from pg_trigger where tgrelid = '"Activity"'::regclass and tgname like '~hw%'`,
    );
    await admin.query(`alter table "Activity" disable trigger ${rows[0]?.name ?? ''}`);
    const seen = await waitFor(
      'readiness to see it',
      async () => {
        const now = await engine.control.readiness(id);
        const bridge = now.conditions.find((condition) => condition.type === 'BridgeResolves');
        return bridge?.status === 'False' && { bridge };
      },
      { describe: async () => (await engine.control.readiness(id)).conditions },
    );
    expect(seen.bridge).toMatchObject({ reason: 'Disabled' });
    const asked = run;
    const refused = await waitFor('an answer at the present generation', async () => {
      const { generation } = await engine.control.readiness(id);
      const answer: unknown = await asked.cutover(generation).catch((error: unknown) => error);
      return (answer as { code?: string }).code === 'HW6012' ? undefined : answer;
    });
    expect(refused).toMatchObject({ code: 'HW6011' });
    await admin.query(`insert into "Activity" ("groupId") values ('g1')`);
    expect((await admin.query(oracle)).rows).toMatchObject([{ notNull: null }]);
  });
});
