import { afterEach, describe, expect, it } from 'vitest';
import { startRun, type Run } from '../support/engine-run.js';
import { allWell, entityOracle, entityPlan, entitySchema, entitySeed, tenantWriter } from '../support/entity-world.js';
import { usePostgres, waitFor } from '../support/stack.js';

const cluster = usePostgres();
const by = { actor: { name: 'test', method: 'os' as const } };
let run: Run;
afterEach(() => run.close());

const start = async (name: string, options: { plan: string; seed: string; kafka?: boolean }): Promise<void> => {
  run = await startRun(await cluster.freshDatabase(name.replaceAll('-', '_')), options.plan, {
    schema: entitySchema,
    seed: options.seed,
    kafka: options.kafka ?? false,
  });
};
const oracle = async (): Promise<unknown> => (await run.prepared.admin.query(entityOracle)).rows[0];
const settled = (): Promise<unknown> =>
  waitFor('every row and entity to be there', async () => JSON.stringify(await oracle()) === JSON.stringify(allWell), {
    describe: oracle,
  });
const done = (id: string): Promise<unknown> =>
  waitFor(`operation ${id}`, async () => {
    const now = await run.engine.control.operation(id);
    return now?.status === 'succeeded' || now?.status === 'failed' ? now : undefined;
  });
const condition = async (type: string): Promise<{ status: string; reason: string; message: string } | undefined> =>
  (await run.engine.control.readiness(run.id)).conditions.find((one) => one.type === type);

describe('entities through the whole run', () => {
  it('are made for history and as their sources arrive, also while the application makes some itself', async () => {
    await start('entities-live', { plan: entityPlan('entities-live'), seed: entitySeed(300), kafka: true });
    const before = tenantWriter(await run.client('shop'), { prefix: 'b' });
    await run.until('sweeping');
    await run.until('swept');
    await waitFor('the application to write beside it', () => before.statements() > 60);
    await before.stop();
    await run.until('bridged');
    const after = tenantWriter(await run.client('shop'), { prefix: 'a' });
    await waitFor('the application to write beside the bridge', () => after.statements() > 60);
    await after.stop();
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    const enforced = tenantWriter(await run.client('shop'), { prefix: 'e' });
    await waitFor('the application to write when it is enforced', () => enforced.statements() > 30);
    await enforced.stop();
    expect([...before.failed, ...after.failed, ...enforced.failed]).toEqual([]);
    await settled();
    const told = async (): Promise<string> =>
      (await run.engine.control.get(run.id)).entities
        .map(({ table, from, missing, unfillable, passDone }) => `${table} from ${from}: ${missing} missing, ${unfillable} listed, done ${passDone}`)
        .join('; '); // prettier-ignore
    const nothingLeft =
      'public.Workspace from public.Organization: 0 missing, 0 listed, done true; public.WorkspaceMembership from public.OrgMember: 0 missing, 0 listed, done true';
    await waitFor('the status to say so', async () => (await told()) === nothingLeft, { describe: told });
    expect((await run.engine.control.events(run.id, 0, 500)).map(({ type }) => type)).not.toContain('StreamBroken');
  });

  it('are made without a stream; one that is refused is listed, holds readiness, and is made when it can be', async () => {
    await start('entities-alone', {
      plan: entityPlan('entities-alone', 'stream: none\n'),
      // a workspace of nobody's has the slug that o7 would get
      seed: `${entitySeed(40)}; insert into "Workspace" values ('stray', 'stray', 'org-o7', now())`,
    });
    const { admin } = run.prepared;
    await run.until('bridged');
    const refused = await waitFor('the refused entity to hold readiness', async () => {
      const found = await condition('NoUnfillableRows');
      return found?.reason === 'RowsListed' && found.message.includes('public.Workspace 1') ? found : undefined;
    });
    expect(refused.status).toBe('False');
    const { rows } = await run.engine.control.unfillable(run.id, { limit: 100, table: 'Workspace' });
    expect(rows).toEqual([
      expect.objectContaining({ table: 'public.Organization', entity: 'public.Workspace', key: ['o7'], reason: 'UniqueConflict', constraint: 'Workspace_slug_key' }),
    ]); // prettier-ignore
    const reasons = async (): Promise<string> =>
      [...new Set((await run.engine.control.unfillable(run.id, { limit: 100 })).rows.map((row) => row.reason))]
        .sort()
        .join();
    await waitFor(
      'what hangs on it to be listed',
      async () => (await reasons()) === 'EntityMissing,ReferentMissing,UniqueConflict',
      { describe: reasons },
    );
    await admin.query(
      `update "Workspace" set slug = 'free' where id = 'stray'; insert into "Organization" values ('stray', 'stray')`,
    );
    expect(await done((await run.engine.control.retryUnfillable(run.id, {}, by)).id)).toMatchObject({
      status: 'succeeded',
      result: { entities: { made: expect.any(Number) as number } },
    });
    const after = tenantWriter(await run.client('shop'), { prefix: 'a', groups: false });
    await waitFor('the application to write without a stream', () => after.statements() > 30);
    await after.stop();
    await run.ready();
    expect(await done((await run.engine.control.verify(run.id, by)).id)).toMatchObject({
      status: 'succeeded',
      result: { mismatches: 0, entities: [{ table: 'public.Workspace', missing: 0 }, { missing: 0 }] },
    });
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    await admin.query(`update "Workspace" set slug = 'app-stray' where id = 'stray'`);
    await settled();
  });
});
