import { afterEach, describe, expect, it } from 'vitest';
import { sql } from '../support/cli.js';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { workspaceSeed } from '../support/least-privilege.js';
import { usePostgres, waitFor } from '../support/stack.js';

// Databases found half-migrated, each by its own history, to the enforced end: what is there is adopted, not made again and not tripped over.

const { freshDatabase } = usePostgres();
let run: Run | undefined;
afterEach(async () => {
  await run?.close();
  run = undefined;
});

async function found(name: string, change: string): Promise<{ run: Run; url: string }> {
  const url = await freshDatabase(name);
  run = await startRun(url, quickPlan(name), { seed: `${workspaceSeed}; ${change}` });
  return { run, url };
}

async function toTheEnd({ run, url }: { run: Run; url: string }): Promise<void> {
  const done = await run.cutoverOnceReady();
  expect(done).toMatchObject({ status: 'succeeded' });
  expect(
    await sql(
      url,
      `select attrelid::regclass::text as t, attnotnull from pg_attribute where attname = 'workspaceId' and attrelid in ('"Group"'::regclass, '"Activity"'::regclass) order by 1`,
    ),
  ).toEqual([
    { t: '"Activity"', attnotnull: true },
    { t: '"Group"', attnotnull: true },
  ]);
  expect(
    await sql(
      url,
      `select conrelid::regclass::text as t, conname, convalidated from pg_constraint where contype = 'f' and confrelid = '"Workspace"'::regclass order by 1`,
    ),
  ).toMatchObject([{ convalidated: true }, { convalidated: true }]);
  expect(
    await sql(
      url,
      `select relname, indisvalid from pg_index i join pg_class c on c.oid = i.indexrelid where relname in ('Group_workspaceId_idx', 'Activity_workspaceId_idx') order by 1`,
    ),
  ).toEqual([
    { relname: 'Activity_workspaceId_idx', indisvalid: true },
    { relname: 'Group_workspaceId_idx', indisvalid: true },
  ]);
  expect(
    await sql(
      url,
      `select count(*)::int as n from "Activity" a join "Group" g on g.id = a."groupId" where a."workspaceId" is distinct from g."orgId"`,
    ),
  ).toEqual([{ n: 0 }]);
}

/** Name → oid of what may not be made anew. */
const oids = async (url: string, names: readonly string[]): Promise<unknown> =>
  sql(
    url,
    `select name, coalesce((select oid from pg_class where relname = name), (select oid from pg_constraint where conname = name))::int as oid
       from unnest(array['${names.join("','")}']) as name`,
  );

describe('a half-migrated database', () => {
  it('partly filled, a foreign key NOT VALID, an index there, another invalid: validated, adopted, built again', async () => {
    const one = await found(
      'partly-filled',
      `update "Group" set "workspaceId" = "orgId" where id < 'g5'; update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId" and a.id % 3 = 0;
       alter table "Group" add constraint their_key foreign key ("workspaceId") references "Workspace" on delete restrict not valid;
       create index "Group_workspaceId_idx" on "Group" ("workspaceId"); create index "Activity_workspaceId_idx" on "Activity" ("workspaceId");
       update pg_index set indisvalid = false where indexrelid = '"Activity_workspaceId_idx"'::regclass`,
    );
    const kept = ['their_key', 'Group_workspaceId_idx'];
    const before = await oids(one.url, kept);
    await toTheEnd(one);
    expect(await oids(one.url, kept)).toEqual(before);
  });

  it('one table NOT NULL already: nothing to fill there, the run goes on to its foreign key and index', async () => {
    const one = await found(
      'one-enforced',
      `update "Group" set "workspaceId" = "orgId"; alter table "Group" alter "workspaceId" set not null`,
    );
    await toTheEnd(one);
  });

  it('everything NOT NULL already: only what the plan names beside it is made', async () => {
    const one = await found(
      'all-enforced',
      `update "Group" set "workspaceId" = "orgId"; alter table "Group" alter "workspaceId" set not null;
       update "Activity" a set "workspaceId" = g."orgId" from "Group" g where g.id = a."groupId"; alter table "Activity" alter "workspaceId" set not null`,
    );
    await toTheEnd(one);
  });

  it('leftovers of a run whose records were dropped by hand are adopted by the next run of that name', async () => {
    const one = await found('records-lost', '');
    await one.run.until('bridged');
    await one.run.close();
    const ours = await sql(one.url, `select relname from pg_class where relname like 'hw\\_%' order by 1`);
    expect(ours.length).toBeGreaterThan(0);
    await sql(one.url, `drop schema highwater cascade`);
    run = await startAgain(one.url, 'records-lost');
    await toTheEnd({ run, url: one.url });
  });

  it('an index of a name in the plan over other columns: preflight refuses, names it and the way out', async () => {
    const { run, url } = await found('other-index', `create index "Group_workspaceId_idx" on "Group" (name)`);
    const event = await waitFor('preflight to fail', async () =>
      (await run.engine.control.events(run.id, 0, 50)).find(({ type }) => type === 'PreflightFailed'),
    );
    expect(JSON.stringify(event.data)).toMatch(/IndexName/);
    await sql(url, `drop index "Group_workspaceId_idx"`);
    await run.engine.control.start(run.id, { actor: { name: 'test', method: 'os' } });
    await toTheEnd({ run, url });
  });
});

/** The same tables and rows: only the roles and schema highwater are made anew. */
const startAgain = (url: string, name: string): Promise<Run> =>
  startRun(url, quickPlan(name), { schema: 'select 1', seed: 'select 1' });
