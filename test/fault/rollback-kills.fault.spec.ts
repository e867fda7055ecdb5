import { afterEach, describe, expect, it } from 'vitest';
import { catalogDifferences, catalogSnapshot } from '../../libs/local-stack/src/example/catalog-snapshot.js';
import { quickPlan } from '../support/engine-run.js';
import { workspaceSchema, workspaceSeed } from '../support/least-privilege.js';
import { busyMachineBody } from '../support/readiness-moved-on.js';
import { gone, runToBridged, serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres } from '../support/stack.js';

const postgres = usePostgres();
let run: ServiceRun | undefined;
afterEach(() => run?.close());

/** In the order in which they come; each kills the process that got so far, and the next one finds what it left. */
const points = [
  'rollback.afterHalted',
  'rollback.objectSent',
  'rollback.afterObject',
  'rollback.afterOwn',
  'rollback.afterStream',
  'rollback.afterPage',
  'rollback.afterColumn',
];

describe('SIGKILL at each step of a rollback', () => {
  it('F13 an enforced migration with a stream, one added column and a journal: the next process goes on, the catalog is what it was', async () => {
    const url = await postgres.freshDatabase();
    const plan = `${quickPlan('killed-rollback', { stream: true })}journal: true\n`.replace(
      '  - table: Activity\n',
      '  - table: Activity\n    target: { addColumn: true }\n',
    );
    run = await serviceRun(url, plan, {
      kafka: true,
      schema: workspaceSchema.replace(
        '"groupId" text references "Group", "workspaceId" text',
        '"groupId" text references "Group"',
      ),
      seed: `${workspaceSeed}; update "Group" set "workspaceId" = 'o2' where id = 'g1'`,
    });
    const { admin } = run.prepared;
    const before = await catalogSnapshot(url);
    let service = await run.start({ failpoints: `${points[0] ?? ''}=kill` });
    await runToBridged(run, plan);
    const cutover = await run.cutover();
    expect(await run.settled(cutover)).toMatchObject({ status: 'succeeded' });
    const body = { reason: 'not this week', ...busyMachineBody };
    const here = run;
    const killed = async (): Promise<void> => {
      for (const next of points.slice(1)) {
        expect(await gone(service, `the process to die at the step before ${next}`)).toBe('SIGKILL');
        service = await here.start({ failpoints: `${next}=kill` });
      }
      expect(await gone(service, 'the process to die at the last step')).toBe('SIGKILL');
      await here.start();
    };
    // the first may die before its answer has left; the next ones answer the same key with the same operation
    const [{ body: operation }] = await Promise.all([run.asked(`/migrations/${run.id}/rollback`, body), killed()]);
    expect(await run.settled(String(operation['id']))).toMatchObject({
      status: 'succeeded',
      result: { leftovers: [] },
    });
    expect(catalogDifferences(before, await catalogSnapshot(url))).toEqual([]);
    // g1 had its value before us
    expect((await admin.query(`select id from "Group" where "workspaceId" is not null`)).rows).toEqual([{ id: 'g1' }]);
    const last = (await run.events()).filter(({ type }) => ['Halted', 'RolledBack'].includes(type));
    expect(last.map(({ type }) => type)).toEqual(['Halted', 'RolledBack']);
    // whichever process did what, the event tells all of it
    expect(last[1]?.data).toMatchObject({
      undone: expect.arrayContaining([
        'NOT NULL of public."Group"."workspaceId"',
        'index "Activity_workspaceId_idx" of public."Activity"',
        'column public."Activity"."workspaceId"',
        '8 values of public."Group"."workspaceId"',
      ]) as string[],
      kept: [],
    });
  });
});
