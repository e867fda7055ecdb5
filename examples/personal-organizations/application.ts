import { createHash } from 'node:crypto';
import type pg from 'pg';
import {
  cuid,
  defineExample,
  held,
  insert,
  keep,
  times,
  transaction,
  untilThere,
} from '@highwater/local-stack/example';
import type { Accidents, Desk, Effect, Row } from '@highwater/local-stack/example';

/** Owners that were seeded keep their first project for ever; `idle` have logged in and own nothing yet. Each writer deletes and moves only what it made itself. */
interface World {
  readonly owners: readonly string[];
  readonly idle: string[];
  readonly own: { projects: string[] };
}

type StudioDesk = Desk<World>;

const organizationOf = (owner: string): string => `org-${owner}`;
/** Only the new version has heard of organizations. */
const placed = ({ version }: StudioDesk, owner: string): Row =>
  version === 'new' ? { organization_id: organizationOf(owner) } : {};

const project = (desk: StudioDesk, owner: string): Row & { id: string } => ({
  id: cuid(desk.random, 'p'),
  owner_id: owner,
  name: `Plan ${desk.random.hex(6)}`,
  ...placed(desk, owner),
});

/** created_at and updated_at of a new project are the same moment: both are the transaction's. */
async function insertProjects(desk: StudioDesk, owners: readonly string[]): Promise<Effect> {
  const rows = owners.map((owner) => project(desk, owner));
  await insert(desk.client, 'projects', rows);
  keep(desk.world.own.projects, ...rows.map(({ id }) => id));
  return { inserted: rows.length };
}

const someProjects = (desk: StudioDesk, count: number): Promise<Effect> =>
  insertProjects(
    desk,
    times(count, () => desk.random.pick(desk.world.owners)),
  );

/** What the new version does for a user who may have no organization yet; somebody else may be doing it at the same moment. */
async function makeOrganization({ client }: StudioDesk, owner: string, email: string | null): Promise<void> {
  const local = email?.includes('@') === true ? email.split('@', 1)[0] : undefined;
  const slug = `${local ?? 'personal'}-${createHash('sha256').update(owner).digest('hex').slice(0, 12)}`;
  await client.query(
    `insert into organizations (id, name, slug, owner_id, type) values ($1, $2, $3, $4, 'personal') on conflict do nothing`,
    [organizationOf(owner), local === undefined ? 'Personal Workspace' : `${local}'s Workspace`, slug, owner],
  );
  await client.query(
    `insert into organization_memberships (id, organization_id, user_id, role, accepted_at) values ($1, $2, $3, 'owner', now())
     on conflict do nothing`,
    [`mem-${owner}`, organizationOf(owner), owner],
  );
}

/** Signs up, and has a project, or three, before the minute is over: all of it in one transaction. */
async function signUp(desk: StudioDesk): Promise<Effect> {
  const id = cuid(desk.random, 'u');
  const email = desk.random.next() < 0.1 ? null : `${desk.random.pick(['info', 'me', 'hello'])}@${id}.example`;
  let effect: Effect = {};
  await transaction(desk.client, async () => {
    await insert(desk.client, 'users', [{ id, email, name: 'New user', last_login_at: new Date().toISOString() }]);
    if (desk.version === 'new') await makeOrganization(desk, id, email);
    effect = await insertProjects(desk, Array<string>(desk.random.pick([1, 3])).fill(id));
  });
  return { inserted: 1 + (effect['inserted'] ?? 0) };
}

const emailOf = async (client: pg.Client, id: string): Promise<string | null> =>
  (await client.query<{ email: string | null }>(`select email from users where id = $1`, [id])).rows[0]?.email ?? null;

/** A user of long ago comes back and has a first project. */
async function firstProject(desk: StudioDesk): Promise<Effect> {
  const id = desk.world.idle.pop();
  if (id === undefined) return {};
  let effect: Effect = {};
  await transaction(desk.client, async () => {
    if (desk.version === 'new') await makeOrganization(desk, id, await emailOf(desk.client, id));
    effect = await insertProjects(desk, [id]);
  });
  return effect;
}

async function edit(client: pg.Client, id: string): Promise<Effect> {
  const { rowCount } = await client.query(
    `update projects set name = name || '.', updated_at = now() where id = $1 and name ~ '^P[lr]'`,
    [id],
  );
  return { updated: rowCount ?? 0 };
}

async function editOld({ client, random }: StudioDesk): Promise<Effect> {
  const { rows } = await client.query<{ id: string }>(`select id from projects where id >= $1 order by id limit 1`, [
    `cp0000${random.hex(3)}`,
  ]);
  return edit(client, rows[0]?.id ?? '');
}

async function deleteProject({ client, world }: StudioDesk): Promise<Effect> {
  const { rowCount } = await client.query(`delete from projects where id = $1`, [world.own.projects.pop() ?? '']);
  return { deleted: rowCount ?? 0 };
}

async function rolledBack(desk: StudioDesk): Promise<Effect> {
  const rows = times(3, () => project(desk, desk.random.pick(desk.world.owners)));
  await transaction(desk.client, () => insert(desk.client, 'projects', rows), 'rollback');
  return { rolledBack: rows.length };
}

/** To somebody else. The old code is mended by then: it clears the organization, and the row is derived anew. */
async function handOver(desk: StudioDesk): Promise<Effect> {
  const { client, random, world, version, fixed } = desk;
  const id = world.own.projects.at(-1);
  if (!fixed || id === undefined) return {};
  const newcomer = random.next() < 0.3 ? world.idle.pop() : undefined;
  const owner = newcomer ?? random.pick(world.owners);
  let moved = 0;
  await transaction(client, async () => {
    if (version === 'new' && newcomer !== undefined) await makeOrganization(desk, owner, await emailOf(client, owner));
    const { rowCount } = await client.query(
      `update projects set owner_id = $2, organization_id = $3, name = name || '!', updated_at = now() where id = $1`,
      [id, owner, version === 'new' ? organizationOf(owner) : null],
    );
    moved = rowCount ?? 0;
  });
  return { moved };
}

/** What the new version is for: somebody else may look on. Most of these organizations are not the application's own making. */
async function invite({ client, random, world, version }: StudioDesk): Promise<Effect> {
  if (version === 'old') return {};
  const { rowCount } = await client.query(
    `insert into organization_memberships (id, organization_id, user_id, role, invited_at) values ($1, $2, $3, 'viewer', now())
     on conflict do nothing`,
    [cuid(random, 'm'), organizationOf(random.pick(world.owners)), random.pick(world.owners)],
  );
  return { inserted: rowCount ?? 0 };
}

async function heldOpen(desk: StudioDesk): Promise<Effect> {
  await transaction(desk.client, async () => {
    await someProjects(desk, 4);
    await held(desk);
    await someProjects(desk, 4);
  });
  return { inserted: 8 };
}

const ownerless = 3;
const late = 2;
const imported = 2;
const handedOver = 4;

const filled = `select where not exists (select from projects where id = any($1) and organization_id is null)`;

/**
 * What happens while the fill is under way: projects without an owner (some get theirs in a later request), an import of projects whose
 * owner is gone, and projects that go to somebody else after they were filled.
 */
async function accidents(desk: StudioDesk): Promise<Accidents> {
  const { client, random, world } = desk;
  const [from, to] = world.owners;
  if (from === undefined || to === undefined) throw new Error('invariant broken: two users own a project');
  for (const comes of times(ownerless + late, (n) => n < late)) {
    const row = { ...project(desk, from), owner_id: null };
    await insert(client, 'projects', [row]);
    if (comes) await client.query(`update projects set owner_id = $2 where id = $1`, [row.id, to]);
  }
  const gone = cuid(random, 'u');
  await insert(
    client,
    'projects',
    times(imported, () => project(desk, gone)),
  );
  const rows = times(handedOver, () => project(desk, from));
  await insert(client, 'projects', rows);
  const ids = rows.map(({ id }) => id);
  return {
    badRows: [
      { table: 'projects', reason: 'InputNull', constraint: null, rows: ownerless },
      { table: 'projects', reason: 'EntityMissing', constraint: null, rows: imported },
      { table: 'organizations', reason: 'InputNull', constraint: null, rows: ownerless },
      { table: 'organizations', reason: 'ParentMissing', constraint: null, rows: imported },
    ],
    moved: handedOver,
    move: async () => {
      await untilThere(desk, filled, [ids]);
      await client.query(
        `update projects set owner_id = $2, name = name || '!', updated_at = now() where id = any($1)`,
        [ids, to],
      );
    },
  };
}

const share = (rows: number, least: number): number => Math.max(least, Math.floor(rows));
const early = 2;

export default defineExample<World>({
  tables: ['projects'],
  target: 'organization_id',
  entities: [
    { table: 'organizations', key: ['id'] },
    { table: 'organization_memberships', key: ['organization_id', 'user_id'] },
  ],

  seededBadRows: (rows) => {
    const gone = share(share(rows / 10, 60) / 200, 2);
    const bad = (table: string, reason: string, count: number, constraint: string | null = null) => ({
      ...{ table, reason, constraint, rows: count },
    });
    return [
      bad('projects', 'InputNull', share(rows / 1_000, 2)),
      bad('projects', 'EntityMissing', 2 * gone + 3 * early),
      // for each project that would give one
      bad('organizations', 'InputNull', share(rows / 1_000, 2)),
      bad('organizations', 'ParentMissing', 2 * gone),
      bad('organizations', 'UniqueConflict', 3 * early, 'organizations_slug_key'),
    ];
  },

  // an x at place 10 marks what a running application made: that may go away
  lookAround: async (client: pg.Client) => {
    const users = async (where: string): Promise<string[]> => {
      const text = `select id from users u where id like 'cu0000%' and substr(id, 10, 1) <> 'x' and ${where} order by id limit 2000`;
      return (await client.query<{ id: string }>(text)).rows.map(({ id }) => id);
    };
    const seeded = `exists (select from projects p where p.owner_id = u.id and p.name ~ '^Project ')`;
    const idle = await users(
      `last_login_at is not null and not exists (select from projects p where p.owner_id = u.id)`,
    );
    return { owners: await users(seeded), idle, own: { projects: [] } };
  },

  operations: [
    ['insert project', 30, (desk) => someProjects(desk, 1)],
    ['insert projects', 8, (desk) => someProjects(desk, desk.random.between(2, 20))],
    ['sign up', 6, signUp],
    ['first project', 1, firstProject],
    ['edit an old project', 12, editOld],
    ['edit a new project', 6, ({ client, world }) => edit(client, world.own.projects.at(-1) ?? '')],
    ['delete project', 5, deleteProject],
    ['rollback', 3, rolledBack],
    ['hand over', 4, handOver],
    ['invite', 4, invite],
  ],
  heldOpen,
  accidents,
  probe: {
    insert: (desk) => someProjects(desk, 1),
    update: ({ client, world }) => edit(client, world.own.projects.at(-1) ?? ''),
  },
});
