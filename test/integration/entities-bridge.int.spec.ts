import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createEntities, installBridge, openGate, type FillTarget } from '@highwater/target-db';
import { prepare, type Prepared } from '../support/least-privilege.js';
import { usePostgres, waitFor, withinLimit } from '../support/stack.js';

const { freshDatabase } = usePostgres();

const schema = `
create table "Organization" (id text primary key, name text, handle text);
create table "Workspace" (no serial, id text primary key, name text not null, slug text unique, at timestamp(3) not null);
create table "Group" (id text primary key, "orgId" text, "workspaceId" text);
create table "Activity" (id text primary key, "groupId" text references "Group", "workspaceId" text references "Workspace");
create table users (id bigint primary key, email text);
create table organizations (id text primary key, name text not null, slug text not null unique, owner_id bigint not null references users);
create table projects (id bigint primary key, owner_id bigint, organization_id text)`;

const plan = `
highwater: 1
migration: bridged
defaults: { target: { column: workspaceId, type: text }, references: { table: Workspace } }
entities:
  - table: Workspace
    from: Organization
    key: { id: id }
    values: { name: name, slug: handle, at: { now: true } }
  - table: organizations
    from: projects
    key: { id: { template: "org-{owner_id}" } }
    values:
      name: { via: owner_id, to: users(id), then: { firstOf: [ { template: "{email|before:@}" }, { constant: Personal Workspace } ] } }
      slug: { template: "personal-{owner_id|hash:8}" }
      owner_id: owner_id
tables:
  - { table: Group, rule: orgId }
  - { table: Activity, rule: { via: groupId } }
  - { table: projects, target: { column: organization_id, type: text }, references: { table: organizations }, rule: { template: "org-{owner_id}" } }
cutover: { mode: bridge, start: manual, window: 10m }
`;

let p: Prepared;
const sessions: pg.Client[] = [];
const ddlBudget = { lockBudgetMs: 5_000, lockAttempts: 5 };

beforeAll(async () => {
  p = await prepare(await freshDatabase(), schema, plan);
  await openGate(p.database.state, { migrationId: 'bridged', short: target(0).short }, ['live', 'sweep']);
  for (const each of p.targets) await installBridge(p.database, each, { mode: 'assign', reports: true }, ddlBudget);
});
afterAll(() => p.close());
afterEach(async () => {
  for (const session of sessions.splice(0)) await session.end().catch(() => undefined);
  await p.admin.query(`truncate "Organization", "Workspace", "Group", "Activity", users, projects, organizations;
    truncate highwater.created_entity`);
});

function target(n: number): FillTarget {
  const found = p.targets[n];
  if (!found) throw new Error(`no target ${n}`);
  return found;
}
async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: p.url, application_name: 'legacy' });
  client.on('error', () => undefined);
  await client.connect();
  sessions.push(client);
  return client;
}
const rows = async (text: string): Promise<unknown[]> => (await p.admin.query({ text, rowMode: 'array' })).rows;
const created = (): Promise<unknown[]> => rows('select entity_no, key from highwater.created_entity order by 1, 2');

/** Until some session waits for another transaction to end. */
const waitsForAnother = (admin: pg.Client): Promise<boolean> =>
  waitFor('the second application transaction to wait for the first one', async () => {
    const { rowCount } = await admin.query(
      `select from pg_stat_activity where application_name = 'legacy' and wait_event_type = 'Lock'`,
    );
    return rowCount === 1;
  });

describe('the bridge', () => {
  it('makes the workspace of an organization that comes with its first group, in one transaction and recorded', async () => {
    const app = await session();
    await app.query(`begin;
      insert into "Organization" values ('o1', 'one', 'h1');
      insert into "Group" values ('g1', 'o1'), ('g2', 'o1'), ('g3', null), ('g4', 'nowhere');
      insert into "Activity" values ('a1', 'g1'), ('a4', 'g4');
      commit`);
    expect(await rows('select id, "workspaceId" from "Group" order by id')).toEqual([
      ['g1', 'o1'],
      ['g2', 'o1'],
      ['g3', null],
      ['g4', null],
    ]);
    expect(await rows('select id, "workspaceId" from "Activity" order by id')).toEqual([
      ['a1', 'o1'],
      ['a4', null],
    ]);
    expect(
      await rows(`select id, name, slug, abs(extract(epoch from at - now() at time zone 'UTC')) < 60 from "Workspace"`),
    ).toEqual([['o1', 'one', 'h1', true]]);
    expect(await created()).toEqual([[0, ['o1']]]);
  });

  it("makes the personal organization with a user's first project, out of the new row itself", async () => {
    const app = await session();
    await app.query(`insert into users values (7, 'ada@example.org'), (8, null)`);
    await app.query(`insert into projects values (1, 7), (2, 8), (3, 7), (4, null)`);
    expect(await rows('select id, organization_id from projects order by id')).toEqual([
      ['1', 'org-7'],
      ['2', 'org-8'],
      ['3', 'org-7'],
      ['4', null],
    ]);
    expect(await rows('select id, name, owner_id from organizations order by id')).toEqual([
      ['org-7', 'ada', '7'],
      ['org-8', 'Personal Workspace', '8'],
    ]);
    expect(await created()).toEqual([
      [1, ['org-7']],
      [1, ['org-8']],
    ]);
  });

  it('goes away with the transaction that needed it', async () => {
    const app = await session();
    await app.query(`insert into users values (7, 'ada@example.org')`);
    await app.query(`begin; insert into projects values (1, 7); rollback`);
    expect(await rows('select count(*)::int from organizations')).toEqual([[0]]);
    expect(await created()).toEqual([]);
  });

  it("leaves NULL and the application's statement alone where the entity is refused", async () => {
    const app = await session();
    await app.query(`insert into "Organization" values ('o1', 'one', 'h'), ('o2', 'two', 'h'), ('o3', null, 'h3')`);
    await app.query(`insert into "Group" values ('g1', 'o1'), ('g2', 'o2'), ('g3', 'o3')`);
    // the foreign key to users is not met
    await app.query(`insert into projects values (1, 99)`);
    expect(await rows('select id, "workspaceId" from "Group" order by id')).toEqual([
      ['g1', 'o1'],
      ['g2', null],
      ['g3', null],
    ]);
    expect(await rows('select organization_id from projects')).toEqual([[null]]);
    expect(await created()).toEqual([[0, ['o1']]]);
  });

  it('waits for a transaction that makes the same one, and takes what that made', async () => {
    const [first, second] = [await session(), await session()];
    await first.query(`insert into "Organization" values ('o1', 'one', 'h1')`);
    await first.query(`begin; insert into "Group" values ('g1', 'o1')`);
    const waiting = second.query(`insert into "Group" values ('g2', 'o1')`);
    await waitsForAnother(p.admin);
    await first.query('commit');
    await waiting;
    expect(await rows('select id, "workspaceId" from "Group" order by id')).toEqual([
      ['g1', 'o1'],
      ['g2', 'o1'],
    ]);
    expect(await created()).toEqual([[0, ['o1']]]);
  });

  it('and our own creation never make one twice, and do not wait long for each other', async () => {
    await p.admin.query(`insert into "Organization" select 'o' || g, 'n', 'h' || g from generate_series(1, 40) g`);
    const app = await session();
    await app.query(`begin; insert into "Group" values ('first', 'o1')`);
    const entity = p.entities[0];
    if (!entity) throw new Error('no entity');
    const page = { kind: 'after', after: null, limit: 100 } as const;
    const making = createEntities(p.database.fill, entity, page, { rowBudgetMs: 200 }, 'live');
    // the application's transaction is open until we are done: whoever waited for it would wait for ever
    const ours = await withinLimit('ours to be made beside the one under way', making);
    expect(ours).toMatchObject({ kind: 'judged', made: 39 });
    await app.query('commit');
    await app.query(`insert into "Group" select 'g' || g, 'o' || g from generate_series(1, 40) g`);
    expect(await rows('select count(*)::int, count("workspaceId")::int from "Group"')).toEqual([[41, 41]]);
    expect(await rows('select count(*)::int from "Workspace"')).toEqual([[40]]);
    expect((await created()).length).toBe(40);
  });
});
