import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LiveMigration } from '@highwater/migration';
import {
  beginEntityPass,
  closeGate,
  closeUnfillableEntities,
  countMissingEntities,
  createEntities,
  endEntityPass,
  moveEntityPass,
  openGate,
  openUnfillableEntityKeys,
  type EntityOutcome,
  type EntityRequest,
  type EntityTarget,
} from '@highwater/target-db';
import { retryHeldEntities } from '../../libs/roles/src/control/acts/retry-entities.js';
import type { ControlContext } from '../../libs/roles/src/control/context.js';
import { countMissing } from '../../libs/roles/src/control/missing-entities.js';
import type { ProcessState } from '../../libs/roles/src/control/process-state.js';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { patienceMs, usePostgres, waitFor, withinLimit } from '../support/stack.js';
import { withoutLimits } from '../support/without-limits.js';

const { freshDatabase } = usePostgres();

const schema = `
create type "Role" as enum ('OWNER', 'MEMBER');
create table "Organization" (id text primary key, name text, handle text);
create table "OrgMember" (id bigint primary key, "orgId" text, "userId" text not null, admin boolean);
create table "Workspace" (id text primary key, name text not null check (name <> 'forbidden'), slug text not null unique, "createdAt" timestamptz not null, plan text not null default 'free');
create table "WorkspaceMembership" (id text primary key, "workspaceId" text not null references "Workspace", "userId" text not null, role "Role" not null, unique ("workspaceId", "userId"));
create table "Group" (id text primary key, "orgId" text, "workspaceId" text);
create table users (id bigint primary key, email text);
create table projects (id bigint primary key, owner_id bigint references users, organization_id text);
create table organizations (id text primary key, name text not null, slug text not null unique, owner_id bigint not null, created_at text);
create table "Shop" (id bigint primary key, code text);
create table "Space" (id text primary key); create table "Room" (id text primary key);
create function space_of(code text) returns text language plpgsql immutable as
  $$ begin if code like 'bad%' then raise exception 'no' using errcode = 'MY002'; end if; return 's-' || code; end $$;
create function stubborn() returns trigger language plpgsql as $$ begin
  if new.name = 'suppress' then return null; end if;
  if new.name = 'renamed' then new.id := 'another-' || gen_random_uuid(); new.slug := new.id; end if;
  if new.name = 'raise' then raise exception 'no' using errcode = 'MY001'; end if;
  return new; end $$;
create trigger stubborn before insert on "Workspace" for each row execute function stubborn()`;

const plan = `
highwater: 1
migration: entities
defaults: { target: { column: workspaceId, type: text }, references: { table: Workspace } }
entities:
  - table: Workspace
    from: Organization
    key: { id: id }
    values: { name: name, slug: handle, createdAt: { now: true } }
  - table: WorkspaceMembership
    from: OrgMember
    key: { userId: userId, workspaceId: orgId }
    values: { id: { template: "wm-{id}" }, role: { map: admin, values: { true: OWNER, false: MEMBER } } }
  - table: organizations
    from: projects
    key: { id: { template: "org-{owner_id}" } }
    values:
      name: { via: owner_id, then: { firstOf: [ { template: "{email|before:@}" }, { constant: Personal Workspace } ] } }
      slug: { template: "personal-{owner_id|hash:8}" }
      owner_id: owner_id
      created_at: { now: true }
  - { table: Workspace, from: projects, key: { id: { template: "p-{id}" } }, createdBy: application }
  - { table: Space, from: Shop, key: { id: { function: public.space_of, arguments: [ code ] } }, createdBy: highwater }
  - { table: Room, from: Shop, key: { id: { function: public.space_of, arguments: [ code ] } }, createdBy: application }
tables:
  - { table: Group, rule: orgId }
cutover: { mode: bridge, start: manual, window: 10m }
`;

let p: Prepared;
const budget = { rowBudgetMs: 200 };
const sessions: pg.Client[] = [];
const gate = { migrationId: 'entities', short: '' };

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan, { allowedFunctions: ['public.space_of'] });
  gate.short = target(0).short;
  await openGate(p.database.state, gate, ['live', 'sweep']);
});
afterAll(() => p.close());
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end().catch(() => undefined);
  await p.admin
    .query(`truncate "Organization", "OrgMember", "Workspace", "WorkspaceMembership", "Group", users, projects, organizations, "Shop", "Space";
    truncate highwater.created_entity, highwater.unfillable_entity`);
});

function target(n: number): EntityTarget {
  const found = p.entities[n];
  if (!found) throw new Error(`no entity ${n}`);
  return found;
}
async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'app' });
  client.on('error', () => undefined);
  await client.connect();
  sessions.push(client);
  return client;
}
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
type Judged = Extract<EntityOutcome, { kind: 'judged' }>;
async function createOnce(n: number, request: EntityRequest, fill = p.database.fill): Promise<Judged> {
  const outcome = await createEntities(fill, target(n), request, budget, 'live');
  if (outcome.kind !== 'judged') throw new Error(outcome.kind);
  return outcome;
}
/** Nobody holds anything: what is contended all the same was cut off on a busy machine, and is looked at again, as whoever asks does. */
async function create(n: number, request: EntityRequest): Promise<Judged> {
  const isLeft = ({ verdict }: Judged['verdicts'][number]): boolean => verdict === 'contended';
  let sum = await createOnce(n, request);
  for (let looks = 1; sum.verdicts.some(isLeft); looks += 1) {
    if (looks === 100) throw new Error(`no verdict after ${looks} looks: ${JSON.stringify(sum.verdicts)}`);
    const more = await createOnce(n, request);
    const verdicts = sum.verdicts.map((one, place) => (isLeft(one) ? (more.verdicts[place] ?? one) : one));
    sum = { ...sum, verdicts, made: sum.made + more.made };
  }
  return sum;
}
const keys = (...of: (string | number)[]): EntityRequest => ({
  kind: 'keys',
  keys: of.map((key) => ({ key: [String(key)] })),
});
const verdicts = ({ verdicts: list }: Judged): string[] =>
  list.map((one) => ('reason' in one ? `${one.verdict} ${one.reason}` : one.verdict));
const created = (n: number): Promise<unknown[]> =>
  rows(`select key from highwater.created_entity where entity_no = ${n} order by key`);
const listed = (): Promise<unknown[]> =>
  rows(
    `select entity_no, source_key, reason, sqlstate, constraint_name from highwater.unfillable_entity where closed_at is null order by 1, 2`,
  );

describe('history', () => {
  it('gets its entities page by page in the order of the sources, each recorded, the existing left alone', async () => {
    await p.admin.query(`
      insert into "Organization" select 'o' || g, 'org ' || g, 'h' || g from generate_series(1, 25) g;
      insert into "Workspace" values ('o3', 'their own', 'theirs', now(), 'gold');
      insert into "OrgMember" select g, 'o' || (g % 25 + 1), 'u' || g, g % 2 = 0 from generate_series(1, 50) g;
      insert into "OrgMember" values (51, 'o2', 'u1', true), (52, null, 'u9', true)`);
    let [after, made, pages]: [readonly string[] | null, number, number] = [null, 0, 0];
    for (;;) {
      const page = await create(0, { kind: 'after', after, limit: 10 });
      made += page.made;
      if (page.last === null) break;
      after = page.last;
      pages += 1;
    }
    expect([pages, made]).toEqual([3, 24]);
    expect(verdicts(await create(1, { kind: 'after', after: null, limit: 100 })).slice(-3)).toEqual([
      'made',
      'made',
      'unfillable InputNull',
    ]);
    // by hand: one workspace per organization with its name, theirs untouched
    expect(
      await rows(`select count(*)::int, count(*) filter (where w.name = o.name and w.slug = o.handle and w.plan = 'free' and w."createdAt" > now() - interval '1 hour')::int,
        count(*) filter (where w.name = 'their own' and w.plan = 'gold')::int from "Organization" o join "Workspace" w using (id)`),
    ).toEqual([[25, 24, 1]]);
    // member 51 means the membership of member 1: the first by its key gives the values
    expect(
      await rows(`select count(*)::int, count(*) filter (where w.role = case when m.id % 2 = 0 then 'OWNER' else 'MEMBER' end::"Role" and w.id = 'wm-' || m.id)::int
        from "OrgMember" m join "WorkspaceMembership" w on (w."workspaceId", w."userId") = (m."orgId", m."userId") where m.id <= 50`),
    ).toEqual([[50, 50]]);
    expect(await rows(`select count(*)::int from "WorkspaceMembership"`)).toEqual([[50]]);
    expect((await created(0)).length).toBe(24);
    // in the plan's order of the identity, not the table's
    expect((await created(1))[0]).toEqual([['u1', 'o2']]);
    expect(await listed()).toEqual([[1, ['52'], 'InputNull', null, null]]);
  });

  it('does nothing the second time', async () => {
    await p.admin.query(`insert into "Organization" values ('a', 'a', 'a'), ('b', 'b', 'b')`);
    await create(0, { kind: 'after', after: null, limit: 10 });
    const before = await rows(`select xmin::text, ctid::text from "Workspace" order by id`);
    expect(verdicts(await create(0, { kind: 'after', after: null, limit: 10 }))).toEqual(['there', 'there']);
    expect(await rows(`select xmin::text, ctid::text from "Workspace" order by id`)).toEqual(before);
  });

  it('makes one of a selection: only of users with projects, named after the e-mail, with a slug that a retry makes again', async () => {
    await p.admin.query(`insert into users values (1, 'ada@example.org'), (2, null), (3, 'nobody@example.org');
      insert into projects values (10, 1), (11, 1), (12, 2), (13, null)`);
    expect(verdicts(await create(2, keys(13, 12, 11, 10)))).toEqual(['unfillable InputNull', 'made', 'made', 'made']);
    const made = await rows(
      `select id, name, slug, owner_id, created_at ~ '^\\d{4}-\\d\\d-\\d\\dT.*Z$' from organizations order by id`,
    );
    expect(made).toEqual([
      ['org-1', 'ada', expect.stringMatching(/^personal-[0-9a-f]{8}$/), '1', true],
      ['org-2', 'Personal Workspace', expect.stringMatching(/^personal-[0-9a-f]{8}$/), '2', true],
    ]);
    await p.admin.query(`delete from organizations`);
    await create(2, keys(10, 12));
    expect(await rows('select slug from organizations order by id')).toEqual(made.map((row) => [(row as string[])[2]]));
  });

  it('is counted where it is missing, with the first sources, within a time', async () => {
    await p.admin.query(`insert into "Organization" select 'o' || g, 'n', 'h' || g from generate_series(1, 5) g;
      insert into "Workspace" values ('o2', 'x', 'x', now())`);
    expect(await countMissingEntities(p.database.fill, target(0), { timeoutMs: patienceMs, first: 2 })).toEqual({
      count: 4n,
      first: [['o1'], ['o3']],
    });
    const holder = await session();
    await holder.query('begin; lock table "Workspace"');
    expect(await countMissingEntities(p.database.fill, target(0), { timeoutMs: 50 })).toBeUndefined();
  });
});

describe('a source too big for one count', () => {
  const look = async (
    bridgedAt: string | null,
    { pass, timeoutMs = 50 }: { pass?: number; timeoutMs?: number } = {},
  ): Promise<number | null> => {
    const state = { epoch: 1, bridge: bridgedAt === null ? null : { at: bridgedAt }, limits: budget } as LiveMigration;
    return await countMissing(p.database, target(0), state, { timeoutMs, ...(pass === undefined ? {} : { pass }) });
  };

  it('is what a pass left of it, page by page, once the pass began behind the bridge and is over', async () => {
    await p.admin.query(`insert into "Organization" select 'o' || g, 'n', 'h' || g from generate_series(1, 5) g`);
    const pass = { entityNo: 0, epoch: 1, pass: 1 };
    const before = new Date(Date.now() - 60_000).toISOString();
    const { relid } = target(0).entity.source;
    await beginEntityPass(p.database.state, 'entities', { ...pass, sources: [{ entityNo: 0, relid }] });
    const holder = await session();
    await holder.query('begin; lock table "Workspace"');
    for (const page of [
      { from: null, to: ['o2'], seen: 2, left: 0 },
      { from: ['o2'], to: ['o5'], seen: 3, left: 1 },
      { from: ['o2'], to: ['o5'], seen: 3, left: 1 }, // another process did the same page
    ])
      await moveEntityPass(p.database.state, 'entities', { ...pass, ...page });
    expect(await look(before)).toBeNull();
    expect(await look(before, { pass: 1 })).toBe(1);
    await endEntityPass(p.database.state, 'entities', pass);
    expect(await look(before)).toBe(1);
    expect(await look(new Date(Date.now() + 60_000).toISOString())).toBeNull();
    await beginEntityPass(p.database.state, 'entities', { ...pass, pass: 2, sources: [{ entityNo: 0, relid }] });
    expect(await look(before, { pass: 1 })).toBeNull(); // that pass is another one's by now
    expect(await look(before, { pass: 2 })).toBe(0);
    await holder.query('rollback');
    // those that are found missing are made; a busy server may need another look for all of them
    await waitFor('nothing to be missing', async () => (await look(before, { timeoutMs: patienceMs })) === 0);
    expect(await rows('select count(*)::int from "Workspace"')).toEqual([[5]]);
  });
});

describe('arrivals', () => {
  it('are judged one by one: made, there, gone, not usable, not visible yet', async () => {
    await p.admin.query(`insert into "OrgMember" values (1, 'o1', 'u', true), (2, 'o1', 'v', true);
      insert into "Workspace" values ('o1', 'x', 'x', now());
      insert into "WorkspaceMembership" values ('theirs', 'o1', 'v', 'MEMBER')`);
    const open = await session();
    await open.query('begin');
    const [xid] = (await open.query<{ xid: string }>('select pg_current_xact_id()::text as xid')).rows;
    const outcome = await create(1, {
      kind: 'keys',
      keys: [
        { key: ['1'], xid: '3' },
        { key: ['2'] },
        { key: ['9'] },
        { key: ['nine'] },
        { key: ['1', '2'] },
        { key: ['01'] },
        { key: ['1'], xid: xid?.xid ?? '' },
        { key: ['1'], xid: xid?.xid ?? '', forced: true },
      ],
    });
    expect(verdicts(outcome)).toEqual([
      'made', 'there', 'gone', 'dead_letter KeyNotUsable', 'dead_letter KeyNotUsable', 'made', 'parked', 'made',
    ]); // prettier-ignore
    expect(outcome.made).toBe(1);
  });

  it('are never made where the application makes them', async () => {
    await p.admin.query(`insert into projects values (1, null)`);
    expect(verdicts(await create(3, keys(1)))).toEqual(['waiting']);
    expect(verdicts(await create(3, { kind: 'after', after: null, limit: 9 }))).toEqual(['waiting']);
    expect(await rows('select count(*)::int from "Workspace"')).toEqual([[0]]);
    expect(await countMissingEntities(p.database.fill, target(3), { timeoutMs: patienceMs })).toMatchObject({
      count: 1n,
    });
  });

  it('are refused one by one with the reason and the constraint, the others get theirs', async () => {
    await p.admin.query(`
      insert into "Organization" select 'o' || g, 'n', 'h' || g from generate_series(1, 30) g;
      insert into "Workspace" values ('other', 'x', 'h7', now());
      update "Organization" set name = 'forbidden' where id = 'o8';
      update "Organization" set name = 'raise' where id = 'o9';
      update "Organization" set name = 'suppress' where id = 'o10';
      update "Organization" set name = null where id = 'o11';
      update "Organization" set name = 'renamed' where id = 'o14';
      update "Organization" set handle = 'h13' where id = 'o12';
      insert into "OrgMember" values (1, 'nowhere', 'u', true)`);
    const outcome = await create(0, { kind: 'after', after: null, limit: 100 });
    expect(outcome.made).toBe(23);
    expect(verdicts(await create(1, keys(1)))).toEqual(['unfillable ReferentMissing']);
    expect(await listed()).toEqual([
      [0, ['o10'], 'WriteSuppressed', null, null],
      [0, ['o11'], 'InputNull', null, null],
      [0, ['o13'], 'UniqueConflict', '23505', 'Workspace_slug_key'],
      [0, ['o14'], 'WriteSuppressed', null, null],
      [0, ['o7'], 'UniqueConflict', '23505', 'Workspace_slug_key'],
      [0, ['o8'], 'CheckViolation', '23514', 'Workspace_name_check'],
      [0, ['o9'], 'TriggerRaised', 'MY001', null],
      [1, ['1'], 'ReferentMissing', '23503', 'WorkspaceMembership_workspaceId_fkey'],
    ]);
    expect(await rows('select count(*)::int from "Workspace"')).toEqual([[24]]);
    expect(await rows(`select count(*)::int from "Workspace" where id like 'another-%'`)).toEqual([[0]]);

    // mended: the retry makes them, the list closes; one whose source is gone closes too
    await p.admin.query(
      `update "Organization" set handle = 'h7b' where id = 'o7'; delete from "Organization" where id = 'o8'`,
    );
    const open = await openUnfillableEntityKeys(p.database.state, target(0), { reasons: null, after: null, limit: 10 });
    await create(0, { kind: 'keys', keys: open.map((key) => ({ key })) });
    expect(await closeUnfillableEntities(p.database.fill, target(0))).toBe(2);
    expect((await listed()).length).toBe(6);
  });
});

describe('a source whose identity the server refuses to work out', () => {
  /** Pages of 100 to the end, as a pass asks for them. */
  async function pass(n: number): Promise<{ made: number; verdicts: string[] }> {
    let [after, made, more]: [readonly string[] | null, number, boolean] = [null, 0, true];
    const all: string[] = [];
    while (more) {
      const page: Judged = await create(n, { kind: 'after', after, limit: 100 });
      all.push(...verdicts(page));
      made += page.made;
      [after, more] = [page.last ?? after, page.more];
    }
    return { made, verdicts: all };
  }
  const shops = (): Promise<unknown> =>
    p.admin.query(`insert into "Shop" select g, case when g in (7, 8, 250) then 'bad' || g else 'c' || g end from generate_series(1, 250) g`); // prettier-ignore

  it('is listed, and the pass goes on around it; mended, it is made', async () => {
    await shops();
    const seen = await pass(4);
    expect(seen.made).toBe(247);
    expect(seen.verdicts.flatMap((one, i) => (one === 'made' ? [] : [[i + 1, one]]))).toEqual(
      [7, 8, 250].map((place) => [place, 'unfillable FunctionFailed']),
    );
    const all = ['250', '7', '8'].map((key) => [4, [key], 'FunctionFailed', 'MY002', null]);
    expect(await listed()).toEqual(all);
    // neither the count nor the look at what is listed ends at it
    expect(await countMissingEntities(p.database.fill, target(4), { timeoutMs: patienceMs })).toBeUndefined();
    expect(await closeUnfillableEntities(p.database.fill, target(4))).toBe(0);
    expect((await pass(4)).made).toBe(0);
    await p.admin.query(`update "Shop" set code = 'good' || id where id in (7, 250)`);
    expect(verdicts(await create(4, keys(7, 8, 250)))).toEqual(['made', 'unfillable FunctionFailed', 'made']);
    expect(await closeUnfillableEntities(p.database.fill, target(4))).toBe(2);
    expect(await listed()).toEqual([[4, ['8'], 'FunctionFailed', 'MY002', null]]);
    expect(await rows('select count(*)::int from "Space"')).toEqual([[249]]);
  });

  it('is nothing to wait for where the application makes them', async () => {
    await shops();
    const seen = await pass(5);
    expect(seen.verdicts.filter((one) => one === 'waiting')).toHaveLength(247);
    expect(seen.verdicts.filter((one) => one === 'unfillable FunctionFailed')).toHaveLength(3);
    expect(await listed()).toEqual([]);
  });
});

describe('looking again at what is held', () => {
  it('goes on in the next round where the last one ended, a long list holding up no short one, until everything was looked at', async () => {
    await p.admin.query(`insert into "Workspace" values ('other', 'other', 'taken', now());
      insert into "Organization" select 'o' || g, 'n', 'taken' from generate_series(1, 250) g;
      insert into users select g, 'u' || g from generate_series(1, 2) g; insert into projects select g, g from generate_series(1, 2) g;
      insert into highwater.unfillable_entity (migration_id, entity_no, source_key, reason)
        select 'entities', 0, array[id], 'UniqueConflict' from "Organization" union all select 'entities', 2, array[id::text], 'UniqueConflict' from projects`);
    const process = { id: 'entities', entities: p.entities, plan: p.plan } as unknown as ProcessState;
    const looked = async (): Promise<unknown> =>
      (await rows('select entity_no, sum(attempts - 1)::int, count(closed_at)::int from highwater.unfillable_entity group by 1 order by 1')); // prettier-ignore
    const round = async (): Promise<unknown> => {
      if (process.heldLooks) process.heldLooks = { ...process.heldLooks, dueAtMs: 0 };
      const context = { database: p.database } as unknown as ControlContext;
      const { signal } = new AbortController();
      await retryHeldEntities(context, process, { limits: budget } as LiveMigration, signal, { ms: 60_000, rows: 100 });
      return looked();
    };
    expect(await round()).toEqual([[0, 100, 0], [2, 0, 0]]); // prettier-ignore
    expect(await round()).toEqual([[0, 200, 0], [2, 0, 2]]); // prettier-ignore
    expect(await round()).toEqual([[0, 250, 0], [2, 0, 2]]); // prettier-ignore
    expect(await rows('select min(attempts), max(attempts) from highwater.unfillable_entity where entity_no = 0')).toEqual([[2, 2]]); // prettier-ignore
    expect(await rows('select id from organizations order by 1')).toEqual([['org-1'], ['org-2']]);
    // the next look begins anew
    await p.admin.query(`delete from "Workspace" where id = 'other'`);
    expect(await round()).toEqual([[0, 349, 1], [2, 0, 2]]); // prettier-ignore
  });
});

describe('with others at the same time', () => {
  it('waits for an insert of the application no longer than its budget, and finds it made then', async () => {
    await p.admin.query(`insert into "Organization" select 'o' || g, 'n', 'h' || g from generate_series(1, 3) g`);
    const app = await session();
    await app.query(`begin; insert into "Workspace" values ('o2', 'theirs', 'theirs', now())`);
    // only what is set for waits on locks ends the wait for it
    const unlimited = withoutLimits(p.database, ['statement_timeout']);
    try {
      const asking = createOnce(0, keys('o1', 'o2', 'o3'), unlimited.fill);
      const outcome = await withinLimit('an answer beside the insert', asking);
      expect(verdicts(outcome)).toEqual(['made', 'contended', 'made']);
    } finally {
      await app.query('commit');
      await unlimited.close();
    }
    expect(verdicts(await create(0, keys('o2')))).toEqual(['there']);
    expect(await created(0)).toEqual([[['o1']], [['o3']]]);
  });

  it('makes each once when two of us make the same ones, without a deadlock', async () => {
    await p.admin.query(`insert into "Organization" select 'o' || g, 'n', 'h' || g from generate_series(1, 300) g;
      select pg_stat_reset()`);
    const both = await Promise.all(
      [1, -1].map(async (direction) => {
        let made = 0;
        for (let round = 0; round < 10; round += 1) {
          const chosen = Array.from({ length: 30 }, (_, i) => `o${round * 30 + i + 1}`);
          made += (await create(0, keys(...(direction > 0 ? chosen : chosen.reverse())))).made;
        }
        return made;
      }),
    );
    await create(0, { kind: 'after', after: null, limit: 400 });
    expect((both[0] ?? 0) + (both[1] ?? 0)).toBeLessThanOrEqual(300);
    expect(await rows('select count(*)::int from "Workspace"')).toEqual([[300]]);
    expect((await created(0)).length).toBe(300);
    expect(await listed()).toEqual([]);
    expect(await rows('select deadlocks::int from pg_stat_database where datname = current_database()')).toEqual([[0]]);
  });

  it('stops at the gate', async () => {
    await p.admin.query(`insert into "Organization" values ('a', 'a', 'a')`);
    await closeGate(p.database.state, gate, ['live']);
    expect(await createEntities(p.database.fill, target(0), keys('a'), budget, 'live')).toEqual({ kind: 'gateClosed' });
    await openGate(p.database.state, gate, ['live']);
    expect(await rows('select count(*)::int from "Workspace"')).toEqual([[0]]);
  });
});
