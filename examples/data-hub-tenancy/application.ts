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

/** A user and the workspace it owns. Those that were seeded are never deleted by anybody. */
interface Customer {
  readonly id: string;
  readonly workspaceId: string;
}

/** Each writer deletes and moves only what it made itself, so that writers never break one another. */
interface World {
  readonly customers: readonly Customer[];
  readonly own: { customers: Customer[]; insights: string[]; messages: string[] };
}

type HubDesk = Desk<World>;

const providers = ['stripe', 'google', 'shopify', 'meta'];

/** Only the new version has heard of workspaces. */
const placed = ({ version }: HubDesk, customer: Customer): Row =>
  version === 'new' ? { workspaceId: customer.workspaceId } : {};

const anyCustomer = ({ random, world }: HubDesk): Customer => random.pick(world.customers);

const insight = (desk: HubDesk, customer: Customer): Row & { id: string } => ({
  id: cuid(desk.random, 'i'),
  userId: customer.id,
  kind: desk.random.pick(['TREND', 'ANOMALY', 'GOAL']),
  title: `Insight ${desk.random.hex(6)}`,
  body: desk.random.next() < 0.5 ? `tab\tand "quote" ${desk.random.hex(40)}` : null,
  ...placed(desk, customer),
});

const message = (desk: HubDesk, customer: Customer): Row & { id: string } => ({
  id: cuid(desk.random, 't'),
  userId: customer.id,
  role: desk.random.pick(['user', 'assistant']),
  content: `Message ${desk.random.hex(60)}`,
  ...placed(desk, customer),
});

async function insertInsights(desk: HubDesk, count: number): Promise<Effect> {
  const rows = times(count, () => insight(desk, anyCustomer(desk)));
  await insert(desk.client, 'Insight', rows);
  keep(desk.world.own.insights, ...rows.map(({ id }) => id));
  return { inserted: count };
}

async function insertMessages(desk: HubDesk, count: number): Promise<Effect> {
  const customer = anyCustomer(desk);
  const rows = times(count, () => message(desk, customer));
  await insert(desk.client, 'ChatMessage', rows);
  keep(desk.world.own.messages, ...rows.map(({ id }) => id));
  return { inserted: count };
}

/** The nightly import, over and over: what is there is set again. In the order of the key, so that two imports cannot wait for each other. */
async function importMetrics(desk: HubDesk): Promise<Effect> {
  const { client, random, version } = desk;
  const customer = anyCustomer(desk);
  const from = random.between(0, 300);
  const days = times(random.between(2, 12), (n) => from + n);
  const setsWorkspace = version === 'new';
  const { rowCount } = await client.query(
    `insert into "MetricDaily" (id, "userId", provider, metric, date, value${setsWorkspace ? ', "workspaceId"' : ''})
     select days.id, $2, $3, 'imported', date '2026-01-01' + days.day, $5::float8 + days.day${setsWorkspace ? ', $6::text' : ''}
       from unnest($1::text[], $4::int[]) as days (id, day)
      order by days.day
     on conflict ("userId", provider, metric, date) do update set value = excluded.value`,
    [
      days.map(() => cuid(random, 'm')),
      customer.id,
      random.pick(providers),
      days,
      random.between(1, 1_000),
      ...(setsWorkspace ? [customer.workspaceId] : []),
    ],
  );
  return { imported: rowCount ?? 0 };
}

async function editInsight({ client, random }: HubDesk): Promise<Effect> {
  const { rowCount } = await client.query(
    `update "Insight" set title = title || '.' where id = (select id from "Insight"
      where id >= $1 and id < 'cj' order by id limit 1)`,
    [`ci0000${random.hex(3)}`],
  );
  return { updated: rowCount ?? 0 };
}

async function deleteMessage({ client, world }: HubDesk): Promise<Effect> {
  const { rowCount } = await client.query(`delete from "ChatMessage" where id = $1`, [world.own.messages.pop() ?? '']);
  return { deleted: rowCount ?? 0 };
}

async function deleteInsight({ client, world }: HubDesk): Promise<Effect> {
  const { rowCount } = await client.query(`delete from "Insight" where id = $1`, [world.own.insights.pop() ?? '']);
  return { deleted: rowCount ?? 0 };
}

async function rolledBack(desk: HubDesk): Promise<Effect> {
  const rows = times(3, () => insight(desk, anyCustomer(desk)));
  await transaction(desk.client, () => insert(desk.client, 'Insight', rows), 'rollback');
  return { rolledBack: rows.length };
}

/** The same key deleted and inserted in one transaction: until it is visible, the old and perhaps filled row is seen. */
async function rewritten(desk: HubDesk): Promise<Effect> {
  const row = message(desk, anyCustomer(desk));
  await insert(desk.client, 'ChatMessage', [row]);
  await transaction(desk.client, async () => {
    await desk.client.query(`delete from "ChatMessage" where id = $1`, [row.id]);
    await insert(desk.client, 'ChatMessage', [row]);
  });
  keep(desk.world.own.messages, row.id);
  return { inserted: 2, deleted: 1 };
}

/** User, workspace, connections and first rows in one transaction, as signing up does it. */
async function signUp(desk: HubDesk): Promise<Effect> {
  const { client, random, world } = desk;
  const customer = { id: cuid(random, 'u'), workspaceId: cuid(random, 'w') };
  const connections = providers.slice(0, random.between(1, 4)).map((provider) => ({
    id: cuid(random, 'c'),
    userId: customer.id,
    provider,
    ...placed(desk, customer),
  }));
  const insights = times(2, () => insight(desk, customer));
  await transaction(client, async () => {
    await insert(client, 'User', [{ id: customer.id, email: `${customer.id}@example.com` }]);
    await insert(client, 'Workspace', [{ id: customer.workspaceId, name: 'New workspace', ownerId: customer.id }]);
    await insert(client, 'Connection', connections);
    await insert(client, 'Insight', insights);
  });
  keep(world.own.customers, customer);
  return { inserted: 2 + connections.length + insights.length };
}

/** The account goes, and by ON DELETE CASCADE everything that was its. */
async function closeAccount({ client, world }: HubDesk): Promise<Effect> {
  const { rowCount } = await client.query(`delete from "User" where id = $1`, [world.own.customers.pop()?.id ?? '']);
  return { deleted: rowCount ?? 0 };
}

async function reconnect(desk: HubDesk): Promise<Effect> {
  const own = desk.world.own.customers;
  if (own.length === 0) return {};
  const { rowCount } = await desk.client.query(
    `update "Connection" set "externalId" = $2, "updatedAt" = now() where "userId" = $1 and provider = 'stripe'`,
    [desk.random.pick(own).id, desk.random.hex(16)],
  );
  return { updated: rowCount ?? 0 };
}

/**
 * An insight goes to another user. The old code once left a filled workspace behind; the team has mended that by now: it clears
 * the column, and the row is derived anew. Before it is mended nobody moves anything: see `accidents`.
 */
async function moveInsight(desk: HubDesk): Promise<Effect> {
  const id = desk.world.own.insights.at(-1);
  if (!desk.fixed || id === undefined) return {};
  const customer = anyCustomer(desk);
  const { rowCount } = await desk.client.query(`update "Insight" set "userId" = $2, "workspaceId" = $3 where id = $1`, [
    id,
    customer.id,
    desk.version === 'new' ? customer.workspaceId : null,
  ]);
  return { moved: rowCount ?? 0 };
}

async function heldOpen(desk: HubDesk): Promise<Effect> {
  await transaction(desk.client, async () => {
    await insert(
      desk.client,
      'Insight',
      times(4, () => insight(desk, anyCustomer(desk))),
    );
    await held(desk);
    await insert(
      desk.client,
      'ChatMessage',
      times(4, () => message(desk, anyCustomer(desk))),
    );
  });
  return { inserted: 8 };
}

const doubleConnections = 5;
const halfSignedUp = 3;
const movedInsights = 4;

/**
 * What the old code still does while the fill is under way: connects a provider twice, signs users up whose workspace comes in a
 * later request, or never, and moves insights that are filled already.
 */
async function accidents(desk: HubDesk): Promise<Accidents> {
  const { client, random, world } = desk;
  const connection = (userId: string): Row => ({ id: cuid(random, 'c'), userId, provider: 'mailchimp' });
  for (const { id } of world.customers.slice(-doubleConnections))
    await insert(client, 'Connection', [connection(id), connection(id)]);
  for (const stays of times(2 * halfSignedUp, (n) => n < halfSignedUp)) {
    const userId = cuid(random, 'u');
    await insert(client, 'User', [{ id: userId, email: `${userId}@example.com` }]);
    await insert(client, 'Connection', [connection(userId)]);
    await insert(client, 'ChatMessage', [{ id: cuid(random, 't'), userId, role: 'user', content: 'Hello?' }]);
    if (!stays) await insert(client, 'Workspace', [{ id: cuid(random, 'w'), name: 'Late', ownerId: userId }]);
  }
  const [from, to] = world.customers;
  if (!from || !to) throw new Error('invariant broken: two users own a workspace');
  const moved = times(movedInsights, () => insight(desk, from));
  await insert(client, 'Insight', moved);
  return {
    badRows: [
      { table: 'Connection', reason: 'UniqueConflict', constraint: uniqueKey, rows: doubleConnections },
      { table: 'Connection', reason: 'ParentMissing', constraint: null, rows: halfSignedUp },
      { table: 'ChatMessage', reason: 'ParentMissing', constraint: null, rows: halfSignedUp },
    ],
    moved: movedInsights,
    move: async () => {
      for (const { id } of moved) {
        await untilThere(desk, `select from "Insight" where id = $1 and "workspaceId" is not null`, [id]);
        await client.query(`update "Insight" set "userId" = $2 where id = $1`, [id, to.id]);
      }
    },
  };
}

const uniqueKey = 'Connection_workspaceId_provider_key';
const share = (rows: number, least: number): number => Math.max(least, rows);

export default defineExample<World>({
  tables: ['Connection', 'MetricDaily', 'Insight', 'ChatMessage'],
  target: 'workspaceId',

  seededBadRows: (rows) => {
    const users = share(Math.floor(rows / 50), 40);
    const [pairs, triples] = [share(Math.floor(users / 20), 3), share(Math.floor(users / 100), 1)];
    const [again, homeless] = [share(Math.floor(users / 50), 1), share(Math.floor(users / 50), 2)];
    return [
      { table: 'Connection', reason: 'UniqueConflict', constraint: uniqueKey, rows: pairs + 2 * triples + again },
      { table: 'Connection', reason: 'ParentMissing', constraint: null, rows: homeless },
      { table: 'MetricDaily', reason: 'ParentMissing', constraint: null, rows: 5 * homeless },
      { table: 'Insight', reason: 'ParentMissing', constraint: null, rows: 3 * homeless },
      { table: 'ChatMessage', reason: 'ParentMissing', constraint: null, rows: 2 * homeless },
    ];
  },

  // an x at place 10 marks what a running application made: that may go away
  lookAround: async (client: pg.Client) => {
    const { rows } = await client.query<Customer>(
      `select u.id, w.id as "workspaceId" from "User" u join "Workspace" w on w."ownerId" = u.id
        where u.id like 'cu0000%' and substr(u.id, 10, 1) <> 'x' order by u.id limit 2000`,
    );
    return { customers: rows, own: { customers: [], insights: [], messages: [] } };
  },

  operations: [
    ['insert insight', 20, (desk) => insertInsights(desk, 1)],
    ['insert insights', 6, (desk) => insertInsights(desk, desk.random.between(2, 20))],
    ['insert message', 20, (desk) => insertMessages(desk, 1)],
    ['insert messages', 6, (desk) => insertMessages(desk, desk.random.between(2, 10))],
    ['import metrics', 12, importMetrics],
    ['edit insight', 10, editInsight],
    ['delete message', 4, deleteMessage],
    ['delete insight', 3, deleteInsight],
    ['rollback', 3, rolledBack],
    ['delete and insert again', 3, rewritten],
    ['sign up', 3, signUp],
    ['close account', 1, closeAccount],
    ['reconnect', 3, reconnect],
    ['move insight', 4, moveInsight],
  ],
  heldOpen,
  accidents,
  probe: {
    insert: (desk) => insertMessages(desk, 1),
    update: async (desk) => {
      const id = desk.world.own.messages.at(-1) ?? '';
      await desk.client.query(`update "ChatMessage" set content = content || '.' where id = $1`, [id]);
      return { updated: 1 };
    },
  },
});
