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

interface Group {
  readonly id: string;
  readonly workspaceId: string;
}
interface Activity {
  readonly id: string;
  readonly group: Group;
}
/** A user who is a member of exactly one organization. */
interface Actor {
  readonly id: string;
  readonly workspaceId: string;
}

/** What was seeded is never deleted and never moves. Each writer deletes and moves only what it made itself; `lonely` get no responses. */
interface World {
  readonly groups: readonly Group[];
  readonly activities: readonly Activity[];
  readonly actors: readonly Actor[];
  readonly own: { lonely: Activity[]; responses: string[] };
}

type WorkDesk = Desk<World>;

/** Only the new version has heard of workspaces. */
const placed = ({ version }: WorkDesk, workspaceId: string | null): Row => (version === 'new' ? { workspaceId } : {});

const activity = (desk: WorkDesk, group: Group): Row & { id: string } => ({
  id: cuid(desk.random, 'a'),
  groupId: group.id,
  title: `Activity ${desk.random.hex(6)}`,
  status: desk.random.pick(['DRAFT', 'OPEN', 'CLOSED']),
  ...placed(desk, group.workspaceId),
});

/** Two in ten know their group alone, five their activity alone, three both. */
function response(desk: WorkDesk, { id, group }: Activity): Row & { id: string } {
  const kind = desk.random.between(0, 9);
  return {
    id: cuid(desk.random, 'r'),
    activityId: kind >= 2 ? id : null,
    groupId: kind < 2 || kind >= 7 ? group.id : null,
    body: `Response ${desk.random.hex(60)}`,
    ...placed(desk, group.workspaceId),
  };
}

async function insertActivities(desk: WorkDesk, count: number): Promise<Effect> {
  const made = times(count, () => desk.random.pick(desk.world.groups)).map((group) => {
    const row = activity(desk, group);
    return { row, ref: { id: row.id, group } };
  });
  await insert(
    desk.client,
    'Activity',
    made.map(({ row }) => row),
  );
  keep(desk.world.own.lonely, ...made.map(({ ref }) => ref));
  return { inserted: count };
}

async function insertResponses(desk: WorkDesk, count: number): Promise<Effect> {
  const rows = times(count, () => response(desk, desk.random.pick(desk.world.activities)));
  await insert(desk.client, 'Response', rows);
  keep(desk.world.own.responses, ...rows.map(({ id }) => id));
  return { inserted: count };
}

async function editActivity({ client, random }: WorkDesk): Promise<Effect> {
  const { rowCount } = await client.query(
    `update "Activity" set title = title || '.' where id = (select id from "Activity" where id >= $1 and id < 'cb' order by id limit 1)`,
    [`ca0000${random.hex(3)}`],
  );
  return { updated: rowCount ?? 0 };
}

async function deleteResponse({ client, world }: WorkDesk): Promise<Effect> {
  const { rowCount } = await client.query(`delete from "Response" where id = $1`, [world.own.responses.pop() ?? '']);
  return { deleted: rowCount ?? 0 };
}

async function deleteActivity({ client, world }: WorkDesk): Promise<Effect> {
  const { rowCount } = await client.query(`delete from "Activity" where id = $1`, [world.own.lonely.pop()?.id ?? '']);
  return { deleted: rowCount ?? 0 };
}

async function rolledBack(desk: WorkDesk): Promise<Effect> {
  const rows = times(3, () => activity(desk, desk.random.pick(desk.world.groups)));
  await transaction(desk.client, () => insert(desk.client, 'Activity', rows), 'rollback');
  return { rolledBack: rows.length };
}

/** The new version makes workspaces and memberships itself. Somebody else may do it at the same moment. */
const own = ({ version }: WorkDesk, table: string, row: Row): readonly (readonly [string, Row])[] =>
  version === 'new' ? [[table, row]] : [];

/** A user who is a member of an organization. */
const member = (desk: WorkDesk, orgId: string): readonly (readonly [string, Row])[] => {
  const userId = cuid(desk.random, 'u');
  const id = cuid(desk.random, 'm');
  return [
    ['User', { id: userId, email: `${userId}@example.com` }],
    ['OrgMember', { id, orgId, userId }],
    ...own(desk, 'WorkspaceMembership', { id: `wm-${id}`, workspaceId: orgId, userId }),
  ];
};

async function insertAll(desk: WorkDesk, rows: readonly (readonly [string, Row])[]): Promise<Effect> {
  await transaction(desk.client, async () => {
    for (const [table, row] of rows) await insert(desk.client, table, [row]);
  });
  return { inserted: rows.length };
}

const newMember = (desk: WorkDesk): Promise<Effect> =>
  insertAll(desk, member(desk, desk.random.pick(desk.world.groups).workspaceId));

/** A new customer: organization, a member, a group and its first activities in one transaction. */
function newOrganization(desk: WorkDesk): Promise<Effect> {
  const id = cuid(desk.random, 'o');
  const group = { id: cuid(desk.random, 'g'), workspaceId: id };
  return insertAll(desk, [
    ['Organization', { id, name: 'New organization' }],
    ...own(desk, 'Workspace', { id, name: 'New organization', slug: `org-${id}` }),
    ...member(desk, id),
    ['Group', { id: group.id, orgId: id, name: 'New group', ...placed(desk, id) }],
    ...times(3, () => ['Activity', activity(desk, group)] as const),
  ]);
}

/** One in five belongs to nothing, and may. */
function exported(desk: WorkDesk): Promise<Effect> {
  const group = desk.random.pick(desk.world.groups);
  const kind = desk.random.between(0, 4);
  const row = {
    id: cuid(desk.random, 'x'),
    groupId: kind === 1 ? group.id : null,
    orgId: kind > 1 ? group.workspaceId : null,
    ...placed(desk, kind === 0 ? null : group.workspaceId),
  };
  return insertAll(desk, [['DataExport', row]]);
}

function audited(desk: WorkDesk): Promise<Effect> {
  const actor = desk.random.next() < 0.1 ? undefined : desk.random.pick(desk.world.actors);
  const row = {
    id: cuid(desk.random, 'l'),
    actorUserId: actor?.id ?? null,
    action: 'LOGIN',
    ...placed(desk, actor?.workspaceId ?? null),
  };
  return insertAll(desk, [['AuditLog', row]]);
}

/** To another group. The old code is mended by then: it clears the workspace, and the row is derived anew. */
async function moveActivity({ client, random, world, version, fixed }: WorkDesk): Promise<Effect> {
  const id = world.own.lonely.at(-1)?.id;
  if (!fixed || id === undefined) return {};
  const group = random.pick(world.groups);
  const { rowCount } = await client.query(`update "Activity" set "groupId" = $2, "workspaceId" = $3 where id = $1`, [
    id,
    group.id,
    version === 'new' ? group.workspaceId : null,
  ]);
  return { moved: rowCount ?? 0 };
}

async function heldOpen(desk: WorkDesk): Promise<Effect> {
  await transaction(desk.client, async () => {
    await insert(
      desk.client,
      'Activity',
      times(4, () => activity(desk, desk.random.pick(desk.world.groups))),
    );
    await held(desk);
    await insert(
      desk.client,
      'Response',
      times(4, () => response(desk, desk.random.pick(desk.world.activities))),
    );
  });
  return { inserted: 8 };
}

const filled = `select from "Response" r join "Activity" a on a.id = r."activityId" join "Group" g on g.id = a."groupId"
  where r.id = $1 and r."workspaceId" is not null and a."workspaceId" is not null and g."workspaceId" is not null`;

const withoutOrganization = 3;
const late = 2;

/**
 * What happens while the fill is under way: groups without an organization, with an activity and a response each; groups that get theirs in a
 * later request; and a group that goes to another organization after it, its activity and its response were filled.
 */
async function accidents(desk: WorkDesk): Promise<Accidents> {
  const { client, random, world } = desk;
  const [from, to] = [
    world.groups[0],
    world.groups.find(({ workspaceId }) => workspaceId !== world.groups[0]?.workspaceId),
  ];
  if (!from || !to) throw new Error('invariant broken: two groups are of two organizations');
  const whole = async (orgId: string | null): Promise<{ groupId: string; responseId: string }> => {
    const ids = { group: cuid(random, 'g'), activity: cuid(random, 'a'), response: cuid(random, 'r') };
    await insert(client, 'Group', [{ id: ids.group, orgId, name: 'A group' }]);
    await insert(client, 'Activity', [{ id: ids.activity, groupId: ids.group, title: 'An activity' }]);
    await insert(client, 'Response', [{ id: ids.response, activityId: ids.activity, body: 'A response' }]);
    return { groupId: ids.group, responseId: ids.response };
  };
  const move = (groupId: string, orgId: string) =>
    client.query(`update "Group" set "orgId" = $2 where id = $1`, [groupId, orgId]);
  for (const n of times(withoutOrganization + late, (index) => index)) {
    const { groupId } = await whole(null);
    if (n < late) await move(groupId, from.workspaceId);
  }
  const { groupId, responseId } = await whole(from.workspaceId);
  return {
    badRows: ['Group', 'Activity', 'Response'].map((table) => ({
      ...{ table, reason: 'InputNull', constraint: null },
      rows: withoutOrganization,
    })),
    moved: 1, // the activity and the response still follow the group's stored workspace
    move: async () => {
      await untilThere(desk, filled, [responseId]);
      await move(groupId, to.workspaceId);
    },
  };
}

const share = (rows: number, least: number): number => Math.max(least, Math.floor(rows));

export default defineExample<World>({
  tables: ['Group', 'Activity', 'Response', 'DataExport', 'AuditLog'],
  target: 'workspaceId',
  entities: [
    { table: 'Workspace', key: ['id'] },
    { table: 'WorkspaceMembership', key: ['workspaceId', 'userId'] },
  ],
  mayHaveNone: ['DataExport', 'AuditLog'],

  seededBadRows: (rows) => {
    const lost = share(share(rows / 100, 40) / 20, 2);
    const k = share(share(rows / 50, 60) / 30, 2);
    const inputNull = (table: string, count: number) => ({ table, reason: 'InputNull', constraint: null, rows: count });
    return [
      inputNull('Group', lost),
      inputNull('Activity', 3 * lost),
      inputNull('Response', 6 * lost + share(rows / 1_000, 2)),
      inputNull('DataExport', Math.floor(rows / 250)),
      inputNull('AuditLog', Math.floor(rows / 100)),
      { table: 'AuditLog', reason: 'NoMatch', constraint: null, rows: 2 * k },
      { table: 'AuditLog', reason: 'Ambiguous', constraint: null, rows: 3 * k },
    ];
  },

  // an x at place 10 marks what a running application made: that may go away
  lookAround: async (client: pg.Client) => {
    const groups = await client.query<Group>(
      `select id, "orgId" as "workspaceId" from "Group"
        where "orgId" is not null and id like 'cg0000%' and substr(id, 10, 1) <> 'x' order by id limit 2000`,
    );
    const byId = new Map(groups.rows.map((group) => [group.id, group]));
    const activities = await client.query<{ id: string; groupId: string }>(
      `select id, "groupId" from "Activity" where id like 'ca0000%' and substr(id, 10, 1) <> 'x' order by id limit 2000`,
    );
    const actors = await client.query<Actor>(
      `select u.id, min(m."orgId") as "workspaceId" from "User" u join "OrgMember" m on m."userId" = u.id
        where u.id like 'cu0000%' and substr(u.id, 10, 1) <> 'x' group by u.id having count(*) = 1 order by u.id limit 2000`,
    );
    return {
      groups: groups.rows,
      activities: activities.rows.flatMap(({ id, groupId }) => {
        const group = byId.get(groupId);
        return group ? [{ id, group }] : [];
      }),
      actors: actors.rows,
      own: { lonely: [], responses: [] },
    };
  },

  operations: [
    ['insert activity', 18, (desk) => insertActivities(desk, 1)],
    ['insert activities', 5, (desk) => insertActivities(desk, desk.random.between(2, 20))],
    ['insert response', 22, (desk) => insertResponses(desk, 1)],
    ['insert responses', 6, (desk) => insertResponses(desk, desk.random.between(2, 20))],
    ['edit activity', 12, editActivity],
    ['delete response', 4, deleteResponse],
    ['delete activity', 3, deleteActivity],
    ['rollback', 3, rolledBack],
    ['new member', 2, newMember],
    ['new organization', 1, newOrganization],
    ['export', 2, exported],
    ['audit', 6, audited],
    ['move activity', 4, moveActivity],
  ],
  heldOpen,
  accidents,
  probe: {
    insert: (desk) => insertActivities(desk, 1),
    update: async ({ client, world }) => {
      const id = world.own.lonely.at(-1)?.id ?? '';
      const { rowCount } = await client.query(`update "Activity" set title = title || '.' where id = $1`, [id]);
      return { updated: rowCount ?? 0 };
    },
  },
});
