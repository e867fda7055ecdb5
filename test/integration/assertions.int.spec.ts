import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { blocking, runAssertions, runLastingAssertions, runPreflight, type Access } from '@highwater/target-db';
import { quickPlan, startRun } from '../support/engine-run.js';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();

describe('assertions of a plan', () => {
  let prepared: Prepared;
  afterEach(() => prepared.close());

  it('answer a number, or say why there is none without ever repeating a value', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    await prepared.admin.query(workspaceSeed);
    const found = await runAssertions(prepared.database.fill, {
      zero: `select count(*) from "Activity" where id < 0;`,
      some: `select count(*) from "Activity" where "workspaceId" is null -- all of them`,
      negative: 'select -1',
      none: 'select 1 where false',
      two: 'select id from "Activity"',
      pair: 'select 0, 0',
      text: `select 'canary@example.com'`,
      value: `select ('canary' || id)::int from "Activity"`,
      hidden: 'select count(*) from "Organization"',
      typo: 'select count(*) from "Activitie"',
    });
    expect(Object.fromEntries(found.map((one) => [one.name, one.found ?? one.error]))).toEqual({
      zero: 0,
      some: 200,
      negative: -1,
      none: expect.stringMatching(/found no row/) as string,
      two: expect.stringMatching(/found several rows/) as string,
      pair: expect.stringMatching(/found 2 columns/) as string,
      text: expect.stringMatching(/no number/) as string,
      value: 'refused by the server with SQLSTATE 22P02',
      hidden: expect.stringMatching(/permission denied for table Organization/) as string,
      typo: expect.stringMatching(/"Activitie" does not exist/) as string,
    });
    expect(JSON.stringify(found)).not.toMatch(/canary/);
  });

  it('count again what the application is about to write, and keep the number of what stays', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { admin, database } = prepared;
    await admin.query(`${workspaceSeed}; alter table "Group" drop constraint "Group_orgId_fkey"`);
    await admin.query(`insert into "Group" (id, "orgId") values ('early', 'later'), ('lost', 'nowhere')`);
    const of = (org: string): string =>
      `select count(*) from "Group" g where "orgId" = '${org}' and not exists (select from "Activity" a where a."groupId" = g.id)`;
    const looks: string[] = [];
    // its second transaction comes right after our first look
    const watched = {
      lasting: {
        transaction: async (doing: string, work: never) => {
          const answer = await database.fill.lasting.transaction(doing, work);
          looks.push(doing);
          if (looks.length === 2) await admin.query(`insert into "Activity" ("groupId") values ('early')`);
          return answer;
        },
      },
    } as Access;
    const assertions = { arriving: of('later'), lost: of('nowhere'), fine: of('o1') };
    expect(await runLastingAssertions(watched, assertions)).toEqual([
      { name: 'arriving', found: 0, error: null },
      { name: 'lost', found: 1, error: null },
      { name: 'fine', found: 0, error: null },
    ]);
    // what was right at once is not asked again
    expect(looks.filter((one) => one.includes('fine'))).toHaveLength(1);
    expect(looks.filter((one) => one.includes('lost'))).toHaveLength(3);
  });

  it('write nothing, whatever they try', async () => {
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, workspacePlan);
    const { admin, database } = prepared;
    await admin.query(`${workspaceSeed}; create function public.sweep_away() returns bigint language sql security definer as
      $$ with gone as (delete from public."Activity" returning 1) select count(*) from gone $$`);
    const found = await runAssertions(database.fill, {
      definer: 'select public.sweep_away()',
      switched: `select set_config('transaction_read_only', 'off', true)::bool::int + public.sweep_away()`,
      statement: 'delete from "Activity"',
      clause: 'with gone as (delete from "Activity" returning 1) select count(*) from gone',
      second: 'select 0) as x; update "Activity" set "workspaceId" = 1; select (0',
      closed: 'select 0) as x -- ',
    });
    expect(found.filter((one) => one.found !== null).map((one) => one.name)).toEqual([]);
    expect((await admin.query('select from "Activity" where "workspaceId" is null')).rowCount).toBe(200);
  });

  it('are planned by preflight, which names the one that cannot be run', async () => {
    const asserting = `${workspacePlan}assertions: { orphans: select count(*) from "Organization", fine: select count(*) from "Activity" }\n`;
    prepared = await prepare(await postgres.freshDatabase(), workspaceSchema, asserting);
    const request = { ...prepared, kafka: { reachable: true } as const };
    expect(blocking(await runPreflight(request)).map((one) => [one.check, one.message])).toEqual([
      ['AssertionRuns', expect.stringMatching(/"orphans" cannot be run: permission denied for table Organization/)],
    ]);
    await prepared.admin.query(`grant select on "Organization" to ${prepared.roles.fill}`);
    expect(blocking(await runPreflight(request))).toEqual([]);
  });
});

describe('verification by itself', () => {
  const asserting = (name: string): string =>
    `${quickPlan(name)}assertions: { untitled activities: select count(*) from "Activity" where title = '' }\n`;

  it('takes SQL over the API only where the service is configured to', async () => {
    const run = await startRun(await postgres.freshDatabase(), quickPlan('plain'), { roles: ['control'] });
    onTestFinished(() => run.close());
    const { control } = run.engine;
    const actor = { name: 'test', method: 'os' } as const;
    await expect(control.plan(asserting('asserting'), { actor })).rejects.toMatchObject({ code: 'HW6022' });
    expect(await control.plan(asserting('asserting'), { actor, ownProcess: true })).toMatchObject({
      status: 'succeeded',
    });
  });

  it('evaluates assertions, keeps the migration from being ready, and goes on comparing while the cutover is held', async () => {
    const run = await startRun(await postgres.freshDatabase(), asserting('held'), {
      change: (settings) => ({ ...settings, allowAssertions: true }),
      beside: async ({ admin, roles }) => {
        await admin.query(`grant select (title) on "Activity" to ${roles.fill}`);
      },
    });
    onTestFinished(() => run.close());
    const { engine, id, prepared } = run;
    const { admin } = prepared;
    const verified = async () => {
      const now = (await engine.control.readiness(id)).conditions.find((one) => one.type === 'Verified');
      if (!now) throw new Error('Verified is a condition');
      return now;
    };
    const until = (reason: string) =>
      waitFor(`Verified to say ${reason}`, async () => (await verified()).reason === reason && verified(), {
        describe: verified,
      });
    await run.ready();
    await engine.control.hold(id, { actor: { name: 'test', method: 'os' }, reason: 'release day' });
    // an update is in no stream, and no row is NULL: only reading them again finds it
    await admin.query(`update "Activity" set "workspaceId" = 'elsewhere' where id in (7, 8)`);
    expect((await until('Mismatches')).message).toMatch(/2 rows of 209/);
    await admin.query(
      `update "Activity" a set "workspaceId" = g."workspaceId" from "Group" g where g.id = a."groupId" and a.id in (7, 8); update "Activity" set title = '' where id = 9`,
    );
    const failed = await until('AssertionFailed');
    expect(failed).toMatchObject({
      status: 'False',
      message: expect.stringMatching(/"untitled activities" found 1, expected 0/) as string,
    });
    const view = await engine.control.verification(id, { limit: 10, offset: 0 });
    expect(view.last).toMatchObject({ operationId: null, assertions: [{ name: 'untitled activities', found: 1 }] });
  });
});
