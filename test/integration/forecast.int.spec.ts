import { afterEach, describe, expect, it } from 'vitest';
import { forecastPlan, type PlanForecast, type TableForecast } from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres } from '../support/stack.js';

/** Two workspaces of `amy` only; `tom` has none, nobody is `zed`. */
const people = `
create table "Workspace" (id text primary key, "ownerId" text);
create table "User" (id text primary key, name text);
insert into "User" values ('amy', 'a'), ('bob', 'b'), ('cat', 'c'), ('tom', 't');
insert into "Workspace" values ('wa1', 'amy'), ('wa2', 'amy'), ('wb', 'bob'), ('wc', 'cat');
create index on "Workspace" ("ownerId");`;

describe('forecast', () => {
  // the planner's estimates are the test's own, and nobody else takes a transaction id of the cluster
  const postgres = usePostgres({ settings: { autovacuum: 'off' } });
  let prepared: Prepared;
  afterEach(() => prepared.close());

  const world = async (schema: string, plan: string): Promise<void> => {
    const allowedFunctions = ['public.picky'];
    prepared = await prepare(await postgres.freshDatabase(), schema, plan, { allowedFunctions });
  };
  const forecast = (more: { exact?: boolean; tables?: string[] } = {}): Promise<PlanForecast> =>
    forecastPlan({ ...prepared, ...more });
  const of = (seen: PlanForecast, table: string): TableForecast => {
    const found = seen.tables.find((one) => one.table === `public.${table}`);
    if (!found) throw new Error(`no forecast of ${table}`);
    return found;
  };
  /** Branches and reasons by name. */
  const counts = ({ branches, unfillable }: TableForecast): Record<string, number> =>
    Object.fromEntries([
      ...branches.map(({ branch, rows }) => [branch, rows]),
      ...unfillable.map(({ reason, rows }) => [reason, rows]),
    ]);

  it('tells rows by branch and by reason, over columns that are not there yet and parents that are filled in the same run', async () => {
    await world(
      `
create table "Org" (id text primary key);
create table "Group" (id text primary key, "orgId" text, "workspaceId" text);
create table "Activity" (id bigint primary key, "groupId" text);
create table "Response" (id bigint primary key, "activityId" bigint, "groupId" text);
insert into "Group" select 'g' || n, case when n > 2 then 'o' || n end, case when n = 1 then 'w1' end from generate_series(1, 10) n;
/* g1 has a workspace, g2 nothing, g3 … g10 an organization; g11 is missing */
insert into "Activity" select n, case when n <= 100 then null else 'g' || (n % 11 + 1) end from generate_series(1, 1200) n;
insert into "Response" select n, case when n <= 500 then n end, case when n > 490 and n <= 900 then 'g3' end from generate_series(1, 1000) n`,
      `
highwater: 1
migration: m
defaults: { target: { column: workspaceId, type: text, addColumn: true } }
tables:
  - { table: Response, rule: { firstOf: [ { via: activityId, to: Activity(id), then: workspaceId }, { via: groupId, to: Group(id), then: orgId } ] } }
  - { table: Activity, rule: { firstOf: [ { via: groupId, to: Group(id), then: workspaceId }, { via: groupId, to: Group(id), then: orgId } ] } }
  - { table: Group, target: { column: workspaceId, type: text }, rule: orgId }`,
    );
    const seen = await forecast();
    expect(of(seen, 'Group')).toMatchObject({ rows: 10, alreadySet: 1, filled: 8, notes: [] });
    expect(counts(of(seen, 'Group'))).toEqual({ orgId: 8, InputNull: 1 });
    // by hand, of the 1100 with a group: 100 each of g1 … g11
    expect(of(seen, 'Activity')).toMatchObject({ rows: 1200, alreadySet: 0, filled: 900, rowsSeen: 1200 });
    expect(counts(of(seen, 'Activity'))).toEqual({
      // what Group will hold then: its own rule for g3 … g10
      'firstOf[0] via groupId → workspaceId': 900,
      InputNull: 200,
      ParentMissing: 100,
    });
    const { rows } = await prepared.admin.query<{ first: string; second: string; none: string }>(`
      select count(*) filter (where w is not null) as first, count(*) filter (where w is null and r."groupId" is not null) as second,
             count(*) filter (where w is null and r."groupId" is null) as none
        from "Response" r left join "Activity" a on a.id = r."activityId"
        left join "Group" g on g.id = a."groupId" cross join lateral (select coalesce(g."workspaceId", g."orgId") as w) as x`);
    expect(counts(of(seen, 'Response'))).toMatchObject({
      'firstOf[0] via activityId → workspaceId': Number(rows[0]?.first),
      'firstOf[1] via groupId → orgId': Number(rows[0]?.second),
      InputNull: Number(rows[0]?.none),
    });
    expect(of(seen, 'Response').notes).toEqual(['the column is not there yet: expand adds it']);
    const missing = of(seen, 'Activity').unfillable.find(({ reason }) => reason === 'ParentMissing');
    expect(missing?.keys.slice(0, 2)).toEqual([['109'], ['120']]);
    const pasted = await prepared.admin.query<{ id: string }>(missing?.sql ?? '');
    expect(pasted.rows.map(({ id }) => id).slice(0, 10)).toEqual(missing?.keys.map(([id]) => id));
    expect(pasted.rows).toHaveLength(100);
  });

  const connections = `${people}
create table "Connection" (id bigint primary key, "userId" text, provider text not null, archived boolean not null default false, "workspaceId" text);
create unique index "Connection_workspaceId_provider_key" on "Connection" ("workspaceId", provider) where not archived;`;
  const connectionPlan = `
highwater: 1
migration: m
tables:
  - table: Connection
    target: { column: workspaceId, type: text }
    references: { table: Workspace, onDelete: cascade }
    unique: { Connection_workspaceId_userId_key: [workspaceId, userId] }
    rule: { firstOf: [ { lookup: Workspace, where: { ownerId: userId }, take: id, pick: single }, { map: userId, values: { tom: gone } } ] }
accept: [UniqueOnTarget]`;

  it('finds the keys of a unique index that filling would give twice, stored rows and the condition of the index included', async () => {
    await world(connections, connectionPlan);
    await prepared.admin.query(`
      insert into "Connection" values
        (1, 'bob', 'x', false, null), (2, 'bob', 'x', false, null), (3, 'bob', 'x', false, null), /* three for one key: two refused */
        (4, 'bob', 'y', false, null), (5, 'zed', 'y', false, 'wb'),                               /* the key is taken: refused */
        (6, 'cat', 'x', false, null), (7, 'cat', 'x', true, null), (8, 'cat', 'y', false, null),  /* not the same key */
        (9, 'amy', 'x', false, null), (10, 'zed', 'x', false, null), (11, 'tom', 'x', false, null), (12, null, 'x', false, null)`);
    const seen = of(await forecast(), 'Connection');
    expect(seen).toMatchObject({ rows: 12, alreadySet: 1, filled: 5 });
    expect(counts(seen)).toEqual({
      'firstOf[0] lookup Workspace by ownerId → id': 7,
      'firstOf[1] map of userId': 1,
      UniqueConflict: 3,
      Ambiguous: 1,
      NoMatch: 1,
      InputNull: 1,
    });
    const [collision, planned] = seen.collisions;
    // bob's four and cat's three: filled, and in the way of the plan's own index
    expect(planned).toMatchObject({ index: 'Connection_workspaceId_userId_key', planned: true, groups: 2, rows: 7 });
    expect(collision).toMatchObject({ index: 'Connection_workspaceId_provider_key', groups: 2, rows: 5, refused: 3 });
    expect(collision?.keys.map(([id]) => Number(id))).toEqual([1, 2, 3, 4, 5]);
    const pasted = await prepared.admin.query<{ rows: string }>(collision?.sql ?? '');
    expect(pasted.rows.map(({ rows }) => Number(rows))).toEqual([3, 2]);
    // no foreign key yet, so tom's row is filled and the plan's own could not be validated
    expect(seen.referentMissing).toMatchObject({ rows: 1, keys: [['11']] });
    expect((await prepared.admin.query(seen.referentMissing?.sql ?? '')).rows).toEqual([{ id: '11' }]);
  });

  it('is what the server then does, row for row', async () => {
    await world(
      `${connections} alter table "Connection" add foreign key ("workspaceId") references "Workspace" not valid`,
      connectionPlan,
    );
    await prepared.admin.query(`
      insert into "Connection" select n, (array['amy', 'bob', 'cat', 'tom', 'zed', null])[n % 6 + 1], 'p' || n % 40, n % 7 = 0, null from generate_series(1, 600) n`);
    const seen = of(await forecast(), 'Connection');
    // the oracle writes row by row, and counts what the server refuses
    const done: Record<string, number> = { filled: 0, none: 0 };
    for (let id = 1; id <= 600; id += 1)
      try {
        const { rows } = await prepared.admin.query<{ w: string | null }>(
          `update "Connection" set "workspaceId" = case "userId" when 'bob' then 'wb' when 'cat' then 'wc' when 'tom' then 'gone' end where id = $1 returning "workspaceId" as w`,
          [id],
        );
        done[rows[0]?.w === null ? 'none' : 'filled'] = (done[rows[0]?.w === null ? 'none' : 'filled'] ?? 0) + 1;
      } catch (error) {
        const code = String((error as { code: unknown }).code);
        done[code] = (done[code] ?? 0) + 1;
      }
    const unfillable = counts({ ...seen, branches: [] });
    expect(seen.filled).toBe(done['filled']);
    expect(unfillable['UniqueConflict']).toBe(done['23505']);
    expect(unfillable['ReferentMissing']).toBe(done['23503']);
    expect((unfillable['Ambiguous'] ?? 0) + (unfillable['NoMatch'] ?? 0) + (unfillable['InputNull'] ?? 0)).toBe(
      done['none'],
    );
    expect(unfillable['UniqueConflict']).toBeGreaterThan(0);
  });

  it('counts entities that the run will make as there, by their own rules, and those the application makes as they are', async () => {
    const schema = `
create table organization (id text primary key); create table member (id bigint primary key, org_id text, user_id text);
create table workspace (id text primary key); create table membership (id text primary key, workspace_id text not null, user_id text not null, unique (workspace_id, user_id));
create table team (id bigint primary key, org_id text, workspace_id text); create table log (id bigint primary key, actor text, workspace_id text);
create index on member (user_id); create index on membership (user_id);
insert into organization select 'o' || n from generate_series(1, 5) n; insert into workspace values ('o1');
insert into member select n, 'o' || n, 'u' || n from generate_series(1, 4) n; insert into member values (5, 'o1', 'u2'), (6, 'o1', 'u1'), (7, null, 'u7');
insert into team select n, case n when 11 then 'gone' when 12 then null else 'o' || n % 5 + 1 end from generate_series(1, 12) n;
insert into log select n, 'u' || n % 10 from generate_series(1, 100) n`;
    const plan = (createdBy: string): string => `
highwater: 1
migration: m
defaults: { target: { column: workspace_id, type: text } }
entities:
  - { table: workspace, from: organization, key: { id: id }, createdBy: ${createdBy} }
  - table: membership
    from: member
    key: { workspace_id: org_id, user_id: user_id }
    values: { id: { template: "m-{id}" } }
    createdBy: highwater
tables:
  - { table: team, references: { table: workspace, onDelete: restrict }, rule: org_id }
  - { table: log, notNull: false, rule: { lookup: membership, where: { user_id: actor }, take: workspace_id, pick: single } }`;
    await world(schema, plan('highwater'));
    const seen = await forecast();
    expect(seen.entities).toMatchObject([
      {
        table: 'public.workspace',
        from: 'public.organization',
        sources: 5,
        existing: 1,
        missing: 4,
        withoutIdentity: [],
      },
      {
        table: 'public.membership',
        sources: 7,
        existing: 0,
        missing: 5, // u1 is twice in o1
        withoutIdentity: [{ reason: 'InputNull', keys: [['7']] }],
      },
    ]);
    expect((await prepared.admin.query(seen.entities[1]?.withoutIdentity[0]?.sql ?? '')).rows).toEqual([{ id: '7' }]);
    expect(counts(of(seen, 'team'))).toEqual({ org_id: 10, EntityMissing: 1, InputNull: 1 });
    // u1 twice in o1, u2 in o2 and o1, u7 in no organization, u5 u6 u8 u9 u0 unknown
    expect(counts(of(seen, 'log'))).toEqual({
      'lookup membership by user_id → workspace_id': 30,
      Ambiguous: 10,
      NoMatch: 60,
    });
    await prepared.close();
    await world(schema, plan('application'));
    expect(counts(of(await forecast({ tables: ['public.team'] }), 'team'))).toEqual({
      org_id: 2,
      EntityMissing: 9,
      InputNull: 1,
    });
  });

  it('finds entities with a computed identity without going through their sources once for each row, all rows or a sample', async () => {
    await world(
      `
create table users (id text primary key, email text not null); create table organizations (id text primary key, name text not null, owner_id text not null);
create table members (organization_id text not null, user_id text not null, primary key (organization_id, user_id));
create table projects (id bigint primary key, owner_id text); create table logs (id bigint primary key, actor text, organization_id text);
insert into users select 'u' || n, n || '@x' from generate_series(1, 10000) n; insert into organizations values ('org-u1', 'early', 'u1');
/* every tenth belongs to a user who is gone; the last to nobody */
insert into projects select n, case when n = 20000 then null when n % 10 = 0 then 'gone' || n else 'u' || n % 10000 end from generate_series(1, 20000) n;
insert into logs values (1, 'u7'), (2, 'u8'), (3, 'u10'), (4, 'u1')`,
      `
highwater: 1
migration: m
entities:
  - table: organizations
    from: projects
    key: { id: { template: "org-{owner_id}" } }
    values: { name: { via: owner_id, to: users(id), then: { template: "{email|before:@}" } }, owner_id: owner_id }
    createdBy: highwater
  - { table: members, from: organizations, key: { organization_id: id, user_id: owner_id }, createdBy: highwater }
tables:
  - { table: projects, target: { column: organization_id, type: text, addColumn: true }, references: { table: organizations, onDelete: restrict }, rule: { template: "org-{owner_id}" } }
  - { table: logs, target: { column: organization_id, type: text }, notNull: false, rule: { lookup: members, where: { user_id: actor }, take: organization_id, pick: single } }`,
    );
    await prepared.admin.query('analyze');
    const seen = await forecast();
    expect(counts(of(seen, 'projects'))).toEqual({
      'template "org-{owner_id}"': 18_000,
      EntityMissing: 1_999,
      InputNull: 1,
    });
    const missing = of(seen, 'projects').unfillable.find(({ reason }) => reason === 'EntityMissing');
    expect((await prepared.admin.query(missing?.sql ?? '')).rows).toHaveLength(100);
    // 10 and 10010 are not u10's but of a user who is gone
    expect(counts(of(seen, 'logs'))).toEqual({ 'lookup members by user_id → organization_id': 3, NoMatch: 1 });
    expect(seen.entities).toMatchObject([
      { sources: 20_000, existing: 1, missing: 8_999, withoutIdentity: [{ reason: 'ParentMissing' }, { rows: 1 }] },
      { sources: 9_000, existing: 0, missing: 9_000 },
    ]);
    await prepared.admin.query(`update pg_class set reltuples = 400000 where relname = 'projects'`);
    const sampled = of(await forecast({ tables: ['public.projects'] }), 'projects');
    expect(sampled.rowsSeen).toBeLessThan(10_000);
    const share = (counts(sampled)['EntityMissing'] ?? 0) / sampled.rows;
    expect(share).toBeCloseTo(0.1, 1);
  });

  it('reads only: nothing is locked or written, and no transaction id is taken', async () => {
    await world(
      `create table t (id bigint primary key, a text, w text); insert into t select n, 'a' || n, null from generate_series(1, 50) n`,
      `highwater: 1\nmigration: m\ntables: [ { table: t, target: { column: w, type: text }, rule: a } ]`,
    );
    const { admin, roles } = prepared;
    await admin.query(
      `revoke insert, update, delete on t from ${roles.fill}; revoke update (w) on t from ${roles.fill}`,
    );
    const xid = async () => {
      const { rows } = await admin.query<{ xid: string }>(
        `select pg_snapshot_xmax(pg_current_snapshot())::text as xid`,
      );
      return rows[0]?.xid;
    };
    await admin.query('begin; lock table t in share row exclusive mode'); // a writer would wait behind it
    const before = await xid();
    expect(of(await forecast(), 't')).toMatchObject({ rows: 50, filled: 50 });
    expect(await xid()).toBe(before);
    await admin.query('rollback');
  });

  it('counts a row whose rule fails as FunctionFailed and goes on', async () => {
    await world(
      `create table t (id bigint primary key, w text); insert into t select n, null from generate_series(1, 3000) n;
       create table keyless (id bigint, w text); insert into keyless select id, null from t order by id not in (77, 2078), id;
       create function public.picky(n bigint) returns text language plpgsql immutable as
         $$ begin if n in (77, 2078) then raise exception 'no' using errcode = '22023'; end if; return 'v' || n; end $$`,
      `highwater: 1\nmigration: m\ntables: [ { table: t, target: { column: w, type: text }, rule: { function: public.picky, arguments: [ id ] } }, { table: keyless, target: { column: w, type: text }, rule: { function: public.picky, arguments: [ id ] } } ]`,
    );
    const all = await forecast();
    for (const [name, keys] of [
      ['t', [['77'], ['2078']]],
      ['keyless', [['(0,1)'], ['(0,2)']]],
    ] as const) {
      expect(of(all, name)).toMatchObject({ rows: 3000, filled: 2998 });
      expect(of(all, name).unfillable).toMatchObject([{ reason: 'FunctionFailed', rows: 2, keys }]);
    }
  });

  it('lets no function of a rule write: the server refuses, and nothing is known of that table', async () => {
    await world(
      `create table t (id bigint primary key, w text); insert into t values (1, null), (2, null); create sequence counted; grant usage on sequence counted to public;
       create function public.picky(n bigint) returns text language sql stable as $$ select 'v' || nextval('public.counted') $$`,
      `highwater: 1\nmigration: m\ntables: [ { table: t, target: { column: w, type: text }, rule: { function: public.picky, arguments: [ id ] } } ]`,
    );
    const seen = of(await forecast(), 't');
    expect(seen).toMatchObject({ rowsSeen: null, notes: ['unknown: a function of the rule writes, which a forecast never does'] }); // prettier-ignore
    expect((await prepared.admin.query('select is_called from counted')).rows).toEqual([{ is_called: false }]);
  });

  it('samples a table of a million rows and says so; --exact looks at each', async () => {
    await world(
      `create table parent (id bigint primary key, w text); create table t (id bigint primary key, parent_id bigint, w text);
       create unique index t_w on t (w, id); create table few (id bigint primary key, w text)`,
      `highwater: 1\nmigration: m\ntables: [ { table: few, target: { column: w, type: text }, rule: { constant: x } }, { table: t, target: { column: w, type: text }, rule: { via: parent_id, to: parent(id), then: w } } ]\naccept: [UniqueOnTarget]`,
    );
    await prepared.admin
      .query(`insert into parent select n, case when n % 10 > 0 then 'w' || n end from generate_series(1, 1000) n;
      insert into t select n, n % 1000 + 1 from generate_series(1, 1000000) n; analyze t`);
    const began = performance.now();
    const sampled = of(await forecast(), 't');
    expect(performance.now() - began).toBeLessThan(45_000);
    expect(sampled.rowsSeen).toBeLessThan(60_000);
    expect(sampled.sampledPercent).toBeGreaterThan(0.1);
    expect(sampled.sampledPercent).toBeLessThanOrEqual(3.1);
    expect(sampled.rows).toBeGreaterThan(980_000);
    expect(sampled.rows).toBeLessThan(1_020_000);
    expect(sampled.filled / sampled.rows).toBeCloseTo(0.9, 1);
    expect(sampled.notes.join()).toMatch(
      /on [\d.]+ % of the pages: .*collisions in t_w are unknown: a sample cannot show them/,
    );
    // a small table that is taken for a large one: its page is not among the few that are tried first
    await prepared.admin.query(`insert into few select n from generate_series(1, 100) n; analyze few;
      update pg_class set reltuples = 1000000 where relname = 'few'`);
    expect(of(await forecast({ tables: ['public.few'] }), 'few').sampledPercent).toBe(3);
    const exact = await forecast({ tables: ['public.few'], exact: true });
    expect(exact.tables).toMatchObject([
      { table: 'public.few', rows: 100, filled: 100, sampledPercent: null, notes: [] },
    ]);
  });
});
