import { afterEach, expect, it } from 'vitest';
import { allWell, entityOracle, entityPlan, entitySchema, entitySeed } from '../support/entity-world.js';
import { gone, serviceRun, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

/*
 * Whoever makes entities dies between their commit and what says that they were made: the cursor of the pass over history, the offset of the
 * hint. Entities are made once, and each is recorded; there is an oracle by hand.
 */
const cluster = usePostgres();
let run: ServiceRun;
afterEach(() => run.close());

const count = async (text: string): Promise<number> =>
  (await run.prepared.admin.query<{ n: number }>(`select count(*)::int as n from ${text}`)).rows[0]?.n ?? -1;
const oracle = async (): Promise<unknown> => (await run.prepared.admin.query(entityOracle)).rows[0];
const settled = (): Promise<unknown> =>
  waitFor('every row and entity to be there', async () => JSON.stringify(await oracle()) === JSON.stringify(allWell), {
    describe: oracle,
  });

it('F109 killed between a page of history and its cursor: the page is done again, and nothing is made twice', async () => {
  const organizations = 12_000;
  run = await serviceRun(await cluster.freshDatabase('entity_pages'), entityPlan('entity-pages', 'stream: none\n'), {
    schema: entitySchema,
    seed: entitySeed(organizations),
  });
  const first = await run.start({ failpoints: 'control.afterEntityPage=kill@2' });
  await run.asked('/migrations', { plan: entityPlan('entity-pages', 'stream: none\n') });
  await run.asked(`/migrations/${run.id}/start`, {});
  expect(await gone(first, 'the service to die behind the second page')).toBe('SIGKILL');
  // two pages of 5,000 are made, but for those that were there before, and the cursor of one is stored
  const pages = await count(
    `(select id from "Organization" order by id collate "C" limit 10000) as o where id not like '%0'`,
  );
  expect(await count(`highwater.created_entity where entity_no = 0`)).toBe(pages);
  expect(await count(`highwater.entity_pass where entity_no = 0 and sources_seen = 5000 and not done`)).toBe(1);
  expect(await count(`highwater.sweep_range`)).toBe(0); // no row is looked at before its entity is there
  await run.start();
  await run.until('bridged');
  await settled();
  expect(await count(`highwater.created_entity where entity_no = 0`)).toBe((organizations * 9) / 10);
});

it('F110 killed between an entity and the offset of its hint: the hint comes again, and everything is made once', async () => {
  run = await serviceRun(await cluster.freshDatabase('entity_hints'), entityPlan('entity-hints'), {
    schema: entitySchema,
    seed: entitySeed(20),
    kafka: true,
  });
  const filler = await run.start({ roles: 'filler', failpoints: 'filler.afterEntities=kill@1' });
  await run.start({ roles: 'control,relay,sweeper' });
  await run.asked('/migrations', { plan: entityPlan('entity-hints') });
  await run.asked(`/migrations/${run.id}/start`, {});
  // before history is looked at, and acknowledged: from here on the stream alone makes and fills
  const paused = await run.asked(`/migrations/${run.id}/pause`, {});
  expect(await run.settled(String(paused.body['id']))).toMatchObject({ status: 'succeeded' });
  await run.until('streaming');
  await waitFor('the filler to consume', async () => {
    const workers = (await run.call(`/migrations/${run.id}`))?.body['workers'] as { role: string; state: string }[];
    return workers.some(({ role, state }) => role === 'filler' && state === 'consuming');
  });
  const { admin } = run.prepared;
  const insert = (n: number): Promise<unknown> =>
    admin.query(
      `begin; insert into "Organization" values ('n${n}', 'new'); insert into "OrgMember" ("orgId", "userId", role) values ('n${n}', 'u', 'OWNER');
       insert into "Group" values ('gn${n}', 'n${n}'); commit`,
    );
  let [dead, rows] = [false, 0];
  const died = gone(filler, 'the filler to die behind the first entities').finally(() => (dead = true));
  for (; !dead || rows < 30; rows += 1) await insert(rows);
  expect(await died).toBe('SIGKILL');
  const made = await count(`"Workspace" where id like 'n%'`);
  expect(made).toBeGreaterThan(0);
  expect(await count(`"Group" where id like 'gn%' and "workspaceId" is not null`)).toBe(0); // entities come before rows
  await run.start({ roles: 'filler' });
  // whose workspace was two seconds behind, in the other partition, is listed for the pass: the stream looks no longer
  const listed = `reason in ('EntityMissing', 'ReferentMissing')`;
  await waitFor(
    `${rows} organizations with everything by the stream alone`,
    async () =>
      (await count(`"Workspace" where id like 'n%'`)) === rows &&
      (await count(`"WorkspaceMembership" where "workspaceId" like 'n%'`)) +
        (await count(`highwater.unfillable_entity where ${listed}`)) >=
        rows &&
      (await count(`"Group" where id like 'gn%' and "workspaceId" is not null`)) +
        (await count(`highwater.unfillable_row where ${listed}`)) >=
        rows,
    {
      describe: async () => ({
        status: (await run.call(`/migrations/${run.id}`))?.body['hints'],
        listed: (
          await run.prepared.admin
            .query(`select 'row' as kind, reason, count(*)::int as n from highwater.unfillable_row group by 2
          union all select 'entity', reason, count(*)::int from highwater.unfillable_entity group by 2`)
        ).rows,
      }),
    },
  );
  await run.asked(`/migrations/${run.id}/resume`, {});
  await run.until('bridged');
  await settled();
  console.log(`killed behind ${made} workspaces; ${rows} organizations in all`);
});
