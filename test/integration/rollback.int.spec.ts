import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import type { Operation } from '@highwater/roles';
import {
  beginRollback,
  createEntities,
  deleteEntityPage,
  fillBatch,
  keptEntities,
  openGate,
  readRollbackProgress,
  unfillPage,
} from '@highwater/target-db';
import {
  catalogDifferences,
  catalogSnapshot,
  type CatalogSnapshot,
} from '../../libs/local-stack/src/example/catalog-snapshot.js';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { prepare, workspaceSchema, workspaceSeed } from '../support/least-privilege.js';
import { unique, usePostgres, waitFor } from '../support/stack.js';

const postgres = usePostgres();
const by = { actor: { name: 'ada', method: 'os' as const }, reason: 'not this week' };
/** Lock budgets of a machine that has other work to do. */
const patient = { lockBudgetMs: 5_000, lockAttempts: 10 };

/** A team's tables: an index of the plan that they have made already, one that it does not name, a check and a trigger of their own. */
const schema = `${workspaceSchema};
create index "Activity_workspaceId_idx" on "Activity" ("workspaceId");
create index theirs on "Group" (name);
alter table "Group" add constraint named check (name <> '');
create function touch() returns trigger language plpgsql as $$ begin new.title := new.title; return new; end $$;
create trigger touched before update on "Activity" for each row execute function touch()`;

const rowsOf = async (client: pg.Client): Promise<unknown> =>
  (
    await client.query({
      text: `select 'a', id::text, "groupId", "workspaceId", title from "Activity" union all select 'g', id, "orgId", "workspaceId", name from "Group" order by 1, 2`,
      rowMode: 'array',
    })
  ).rows;

describe('rollback', () => {
  let run: Run;
  let before: CatalogSnapshot;
  let url: string;
  afterEach(() => run.close());

  async function start(plan: string, more: { schema?: string; seed?: string } = {}): Promise<void> {
    url = await postgres.freshDatabase();
    run = await startRun(url, `${plan}accept: [TriggerOnUpdate]\n`, {
      schema: more.schema ?? schema,
      seed: `${more.seed ?? workspaceSeed}; update "Group" set "workspaceId" = 'o2' where id = 'g1'`,
      beside: async () => void (before = await catalogSnapshot(url)),
    });
  }
  const settled = (operation: Operation): Promise<Operation> =>
    waitFor(
      `operation ${operation.verb}`,
      async () => {
        const now = await run.engine.control.operation(operation.id);
        return now?.status === 'failed' || now?.status === 'succeeded' ? now : undefined;
      },
      { describe: async () => (await run.engine.control.get(run.id)).reason },
    );
  const rollback = async (): Promise<Operation> => settled(await run.engine.control.rollback(run.id, patient, by));
  const catalogNow = async (): Promise<string[]> => catalogDifferences(before, await catalogSnapshot(url));
  const journaled = (name: string): string => `${quickPlan(`${name}-${unique()}`)}journal: true\n`;

  it('before enforcement: nothing of ours is left, and what the application wrote or changed stays byte for byte', async () => {
    await start(journaled('early'));
    await run.until('bridged');
    const application = await run.client('app');
    // a few that were held up may be left to the pass behind the bridge
    await waitFor(
      'every row to be filled',
      async () => (await application.query('select from "Activity" where "workspaceId" is null')).rowCount === 0,
    );
    await application.query(`insert into "Activity" ("groupId", title) values ('g1', 'through the bridge')`);
    await application.query(
      `insert into "Activity" ("groupId", "workspaceId", title) values ('g1', 'o2', 'a new application')`,
    );
    await application.query(`update "Activity" set "workspaceId" = 'o3', title = 'moved' where id = 5`);
    await application.query(`update "Group" set "workspaceId" = 'o1' where id = 'g5'`);
    await application.query(`delete from "Activity" where id = 6`);
    await run.until('bridged');
    const held = (await rowsOf(application)) as unknown[][];
    const theirs = new Set(['g1', 'g5', '5', '202']);
    const expected = held.map((row) =>
      theirs.has(String(row[1])) ? row : row.map((cell, i) => (i === 3 ? null : cell)),
    );

    const steps = await run.engine.control.rollbackSteps(run.id);
    expect(await rowsOf(application)).toEqual(held); // the dry run changed nothing
    expect(steps.map(({ step, table }) => `${step} ${table ?? ''}`)).toEqual(
      expect.arrayContaining(['rollback: our trigger public."Activity"', 'rollback: values public."Activity"']),
    );
    const values = steps.filter(({ step }) => step === 'rollback: values');
    expect(values.map(({ effect }) => effect)).toEqual([
      expect.stringMatching(
        /^7 rows still hold the value of their journal entry and become NULL, 1 were changed since/,
      ),
      expect.stringMatching(/^199 rows still hold .* 1 were changed since/),
    ]);

    const operation = await rollback();
    expect(operation).toMatchObject({ status: 'succeeded', result: { leftovers: [] } });
    expect(await catalogNow()).toEqual([]);
    expect(await rowsOf(application)).toEqual(expected);
    expect(await run.engine.control.get(run.id)).toMatchObject({
      phase: 'finished',
      outcome: 'rolled-back',
      leftovers: [],
      undone: ['7 values of public."Group"."workspaceId"', '199 values of public."Activity"."workspaceId"'],
      kept: [
        '1 values of public."Group"."workspaceId": changed since we wrote them',
        '1 values of public."Activity"."workspaceId": changed since we wrote them',
      ],
    });
    const types = (await run.engine.control.events(run.id, 0, 100)).map(({ type }) => type);
    // another loop says in between that it is ready no longer, where it was by then
    expect(types.filter((type) => type !== 'CeasedReady').slice(-2)).toEqual(['Halted', 'RolledBack']);
    // its history stays under its name
    await expect(run.engine.control.rollback(run.id, {}, by)).rejects.toMatchObject({ code: 'HW6014' });
    await expect(run.engine.control.start(run.id, by)).rejects.toMatchObject({
      help: expect.stringContaining('under another one') as string,
    });
  });

  it('after enforcement: NOT NULL, keys and indexes that we made go, those that were there stay; values too without a journal', async () => {
    await start(quickPlan(`late-${unique()}`));
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    expect((await catalogNow()).length).toBeGreaterThan(5);
    const application = await run.client('app');
    const held = await rowsOf(application);
    const operation = await rollback();
    expect(operation).toMatchObject({ status: 'succeeded' });
    expect(await catalogNow()).toEqual([]);
    expect(await rowsOf(application)).toEqual(held);
    expect(operation.result).toMatchObject({
      undone: [
        'NOT NULL of public."Group"."workspaceId"',
        'NOT NULL of public."Activity"."workspaceId"',
        'index "Group_workspaceId_idx" of public."Group"',
        'constraint "Group_workspaceId_fkey" of public."Group"',
        'constraint "Activity_workspaceId_fkey" of public."Activity"',
      ],
      kept: [expect.stringContaining('the plan has no journal'), expect.stringContaining('the plan has no journal')],
      leftovers: [],
    });
  });

  it('after finish, and the columns that we added go; one that somebody has come to use stays and is emptied by the journal', async () => {
    const added = (name: string): string => journaled(name).replace('type: text }', 'type: text, addColumn: true }');
    const bare = workspaceSchema.replaceAll(' "workspaceId" text,', '');
    url = await postgres.freshDatabase();
    run = await startRun(url, added('whole'), {
      schema: bare,
      beside: async () => void (before = await catalogSnapshot(url)),
    });
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    const application = await run.client('app');
    await settled(await run.engine.control.finish(run.id, { bridgeUnused: true }, by));
    expect((await run.engine.control.get(run.id)).phase).toBe('finished');
    await application.query(`create view workspaces_of_groups as select id, "workspaceId" from "Group"`);
    const operation = await rollback();
    expect(operation).toMatchObject({ status: 'succeeded' });
    expect(operation.result).toMatchObject({
      undone: expect.arrayContaining([
        'column public."Activity"."workspaceId"',
        '9 values of public."Group"."workspaceId"',
      ]) as string[],
      kept: [expect.stringMatching(/^column public\."Group"\."workspaceId": .*workspaces_of_groups.* uses it$/)],
    });
    expect((await application.query(`select count("workspaceId")::int as n from "Group"`)).rows).toEqual([{ n: 0 }]);
    await application.query(`drop view workspaces_of_groups; alter table "Group" drop column "workspaceId"`);
    expect(await catalogNow()).toEqual([]);
  });

  it('in the middle of the sweep: the gates stay closed when the stream is taken down, and nothing is filled behind the values that go', async () => {
    const slow = 'limits: { sweepRowsPerSecondMax: 400, chunkRowsMax: 20 }\n';
    await start(`${journaled('midway')}${slow}`, { seed: workspaceSeed.replace('(1, 200)', '(1, 4000)') });
    const application = await run.client('app');
    const filled = async (): Promise<number> =>
      (await application.query(`select from "Activity" where "workspaceId" is not null`)).rowCount ?? 0;
    await waitFor('some rows', async () => (await filled()) > 100, { describe: filled });
    // who opens a gate for a moment fills rows in that moment
    await run.prepared.admin.query(`
      create table highwater.gate_opened (sweep boolean, live boolean);
      create function highwater.gate_opened() returns trigger language plpgsql security definer as $$
      begin insert into highwater.gate_opened values (new.sweep_open, new.live_open); return null; end $$;
      create trigger opened after update on highwater.gate for each row
        when (new.sweep_open and not old.sweep_open or new.live_open and not old.live_open) execute function highwater.gate_opened()`);
    expect(await rollback()).toMatchObject({ status: 'succeeded', result: { leftovers: [] } });
    expect((await run.prepared.admin.query('select from highwater.gate_opened')).rowCount).toBe(0);
    expect(await filled()).toBe(0);
    expect(await catalogNow()).toEqual([]);
  });

  it('waits out who holds a table, says who, lets nobody go on in the meantime, and goes on by itself', async () => {
    await start(journaled('held'));
    expect(await run.cutoverOnceReady()).toMatchObject({ status: 'succeeded' });
    const application = await run.client('a long report');
    await application.query(`begin; select from "Group" limit 1`);
    const asked = await run.engine.control.rollback(run.id, { lockBudgetMs: 250, lockAttempts: 1 }, by);
    await waitFor('the blocker in the status', async () =>
      /a long report/.test((await run.engine.control.get(run.id)).reason.message)); // prettier-ignore
    for (const refused of [
      () => run.engine.control.resume(run.id, by),
      () => run.engine.control.rollback(run.id, patient, by),
      () => run.engine.control.finish(run.id, { bridgeUnused: true }, by),
    ])
      await expect(refused()).rejects.toMatchObject({ code: 'HW6013' });
    await application.query('commit');
    expect(await settled(asked)).toMatchObject({ status: 'succeeded' });
    expect(await catalogNow()).toEqual([]);
    expect((await application.query(`select title from "Activity" where "workspaceId" is not null`)).rows).toEqual([]);
  });
});

it('deletes the entities it made that nothing refers to and nobody changed; the rest stays and is listed', async () => {
  const entitySchema = `create table org (id int primary key, name text);
    create table ws (id text primary key, name text not null);
    create table grp (id int primary key, org int references org, ws text);
    create table theirs (id int primary key, a text, ws text references ws on delete cascade);
    insert into org select g, 'n' || g from generate_series(1, 30) g;
    insert into ws values ('w1', 'there before');
    insert into grp select g, g from generate_series(1, 30) g`;
  const entityPlan = `
highwater: 1
migration: entities-back
entities: [ { table: ws, from: org, key: { id: { template: "w{id}" } }, values: { name: name } } ]
tables: [ { table: grp, target: { column: ws, type: text }, references: { table: ws, onDelete: restrict }, rule: { template: "w{org}" } } ]
`;
  const p = await prepare(await postgres.freshDatabase(), entitySchema, entityPlan);
  try {
    const [entity] = p.entities;
    if (!entity) throw new Error('no entity');
    const { table, identity } = entity.entity;
    await openGate(p.database.state, { migrationId: 'entities-back', short: entity.short }, ['live', 'sweep']);
    const request = { kind: 'after', after: null, limit: 100 } as const;
    const made = await createEntities(p.database.fill, entity, request, { rowBudgetMs: 200 }, 'sweep');
    expect(made).toMatchObject({ made: 29 });
    // by the application: a reference that would cascade, one without a key, another name, one deleted, one of the same name anew
    await p.admin.query(`insert into theirs values (1, 'x', 'w2'); update grp set ws = 'w3' where id = 3;
      update ws set name = 'renamed' where id = 'w4'; delete from ws where id in ('w5', 'w6'); insert into ws values ('w6', 'anew')`);
    const held = new pg.Client({ connectionString: p.url });
    await held.connect();
    await held.query(`begin; insert into theirs values (2, 'y', 'w7')`); // not visible to anybody yet
    const toDelete = {
      migrationId: entity.migrationId,
      entityNo: 0,
      table,
      identity,
      references: [{ table: 'public.grp', column: 'ws', to: 'id' }],
    } as unknown as Parameters<typeof deleteEntityPage>[1];
    await beginRollback(p.database.fill, entity.migrationId, 'entities', [0]);
    expect(await deleteEntityPage(p.database.ddl, toDelete, 100)).toMatchObject({ deleted: 23, done: false, held: 1 });
    await held.query('commit');
    expect(await deleteEntityPage(p.database.ddl, toDelete, 100)).toMatchObject({ deleted: 0, done: true });
    await held.end();
    const left = await p.admin.query<{ id: string }>('select id from ws order by id');
    expect(left.rows.map(({ id }) => id)).toEqual(['w1', 'w2', 'w3', 'w4', 'w6', 'w7']);
    expect((await p.admin.query('select id from theirs order by id')).rows).toEqual([{ id: 1 }, { id: 2 }]);
    expect((await keptEntities(p.database.ddl, toDelete, 10)).flat()).toEqual(['w2', 'w3', 'w4', 'w6', 'w7']);
  } finally {
    await p.close();
  }
});

it('never waits for a row that somebody holds: the others become NULL, and the page is looked at again', async () => {
  const p = await prepare(await postgres.freshDatabase(), schema, `${quickPlan('held-row')}journal: true\n`);
  const holder = new pg.Client({ connectionString: p.url });
  try {
    await p.admin.query(workspaceSeed);
    const [, target] = p.targets;
    if (!target) throw new Error('no target');
    await openGate(p.database.state, { migrationId: 'held-row', short: target.short }, ['live', 'sweep']);
    const hints = Array.from({ length: 20 }, (_, i) => ({ key: [String(i + 1)], xid: '3', partition: 0 }));
    await fillBatch(p.database.fill, target, hints, { rowBudgetMs: 200 });
    // the team's own constraint wants one value, their own trigger gives another one back
    await p.admin.query(`alter table "Activity" add constraint wanted check (id <> 7 or "workspaceId" is not null);
      create function give_back() returns trigger language plpgsql as $$ begin new."workspaceId" := old."workspaceId"; return new; end $$;
      create trigger stubborn before update on "Activity" for each row when (new.id = 8) execute function give_back()`);
    await holder.connect();
    await holder.query(`begin; update "Activity" set title = 'in progress' where id = 9`);
    await beginRollback(p.database.fill, target.migrationId, 'values', [1]);
    const held = async (): Promise<unknown> =>
      (await p.admin.query(`select array_agg(id::int order by id) as ids from "Activity" where "workspaceId" is not null`)).rows[0]; // prettier-ignore
    let rows = 100;
    const next = async (): Promise<Awaited<ReturnType<typeof unfillPage>>> => {
      const page = await unfillPage(p.database.fill, target, rows, 200);
      rows = page.rows;
      return page;
    };
    await waitFor('all but the held row', async () => {
      await next();
      return JSON.stringify(await held()) === '{"ids":[7,8,9]}';
    }, { everyMs: 1 }); // prettier-ignore
    await waitFor('the page of the held row', async () => (await next()).held === 1, { everyMs: 1 });
    const stuck = () => next().then((page) => page.held === 1 && page);
    // asked for with one row or with more: what is held is never written, nor waited for
    expect(await waitFor('the held row again', stuck, { everyMs: 1 })).toMatchObject({ undone: 0, done: false });
    await holder.query('commit');
    await waitFor('the end', async () => (await next()).done, { everyMs: 1 });
    expect(await held()).toEqual({ ids: [7, 8] });
    expect(await readRollbackProgress(p.database.state, target.migrationId)).toMatchObject([{ undone: 18, kept: 2 }]);
  } finally {
    await holder.end();
    await p.close();
  }
});
