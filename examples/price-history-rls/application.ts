import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { defineExample, held, insert, keep, times, transaction, untilThere } from '@highwater/local-stack/example';
import type { Accidents, Desk, Effect, Row } from '@highwater/local-stack/example';

/** An event of a tenant. Those that were seeded are never deleted, and never change hands. */
interface Event {
  readonly id: string;
  readonly tenantId: string;
}

/** Each writer deletes only what it made itself, so that writers never break one another. Ids are the server's text: they are above 2^53. */
interface World {
  readonly events: readonly Event[];
  /** The new version serves one tenant a session, as row level security asks it to; the old one knows no such thing. */
  readonly tenant: string | undefined;
  readonly own: { events: Event[]; prices: string[] };
}

type SalesDesk = Desk<World>;

const price = ({ random, version }: SalesDesk, event: Event): Row => ({
  event_id: event.id,
  section: `Section ${random.pick(['A', 'B', 'C'])}`,
  price: random.between(1_000, 30_000) / 100,
  source: random.pick(['box-office', 'resale', 'partner']),
  ...(version === 'new' ? { tenant_id: event.tenantId } : {}),
});

/** One statement, however many rows; answers their ids. */
async function insertPrices(client: pg.Client, rows: readonly Row[]): Promise<string[]> {
  const columns = Object.keys(rows[0] ?? {});
  const places = rows.map((_, r) => `(${columns.map((__, c) => `$${r * columns.length + c + 1}`).join(', ')})`);
  const inserted = await client.query<{ id: string }>(
    `insert into price_history (${columns.join(', ')}) values ${places.join(', ')} returning id`,
    rows.flatMap((row) => columns.map((column) => row[column])),
  );
  return inserted.rows.map(({ id }) => id);
}

async function record(desk: SalesDesk, count: number): Promise<Effect> {
  const rows = times(count, () => price(desk, desk.random.pick(desk.world.events)));
  keep(desk.world.own.prices, ...(await insertPrices(desk.client, rows)));
  return { inserted: count };
}

async function correctOld({ client, random }: SalesDesk): Promise<Effect> {
  const { rowCount } = await client.query(
    `update price_history set price = price + 0.01 where id = (select id from price_history where id >= $1 order by id limit 1)`,
    [(9_007_199_254_740_993n + BigInt(random.between(0, 4_000))).toString()],
  );
  return { updated: rowCount ?? 0 };
}

async function correctOwn({ client, world }: SalesDesk): Promise<Effect> {
  const id = world.own.prices.at(-1) ?? '0';
  const { rowCount } = await client.query(`update price_history set price = price + 1 where id = $1`, [id]);
  return { updated: rowCount ?? 0 };
}

async function deleteOwn({ client, world }: SalesDesk): Promise<Effect> {
  const id = world.own.prices.pop() ?? '0';
  const { rowCount } = await client.query(`delete from price_history where id = $1`, [id]);
  return { deleted: rowCount ?? 0 };
}

async function rolledBack(desk: SalesDesk): Promise<Effect> {
  const rows = times(3, () => price(desk, desk.random.pick(desk.world.events)));
  await transaction(desk.client, async () => void (await insertPrices(desk.client, rows)), 'rollback');
  return { rolledBack: rows.length };
}

/** The event and its first prices in one transaction, the event last: nothing stands in the way, there is no foreign key. */
async function newEvent(desk: SalesDesk): Promise<Effect> {
  const { client, random, world } = desk;
  const event = { id: randomUUID(), tenantId: random.pick(world.events).tenantId };
  const rows = times(random.between(2, 8), () => price(desk, event));
  await transaction(client, async () => {
    await insert(client, 'events', [{ id: event.id, tenant_id: event.tenantId, name: 'New event' }]);
    await insertPrices(client, rows);
  });
  keep(world.own.events, event);
  return { inserted: 1 + rows.length };
}

async function cancelEvent({ client, world }: SalesDesk): Promise<Effect> {
  const event = world.own.events.pop();
  if (!event) return {};
  let deleted = 0;
  await transaction(client, async () => {
    deleted += (await client.query(`delete from price_history where event_id = $1`, [event.id])).rowCount ?? 0;
    deleted += (await client.query(`delete from events where id = $1`, [event.id])).rowCount ?? 0;
  });
  return { deleted };
}

/** A price booked on the wrong event. The old code is mended by then: it clears the tenant, and the row is derived anew. */
async function rebook({ client, random, world, version, fixed }: SalesDesk): Promise<Effect> {
  const id = world.own.prices.at(-1);
  if (!fixed || id === undefined) return {};
  const event = random.pick(world.events);
  const { rowCount } = await client.query(`update price_history set event_id = $2, tenant_id = $3 where id = $1`, [
    id,
    event.id,
    version === 'new' ? event.tenantId : null,
  ]);
  return { moved: rowCount ?? 0 };
}

async function heldOpen(desk: SalesDesk): Promise<Effect> {
  const some = () =>
    insertPrices(
      desk.client,
      times(4, () => price(desk, desk.random.pick(desk.world.events))),
    );
  await transaction(desk.client, async () => {
    await some();
    await held(desk);
    await some();
  });
  return { inserted: 8 };
}

const filled = `select where not exists (select from price_history where event_id = $1 and tenant_id is null)`;

const earlyPrices = 4;
const lostPrices = 3;
const soldPrices = 5;

/**
 * What happens while the fill is under way: prices that arrive before their event (two of four events never come), prices of no event, and
 * an event that is sold to another tenant after its prices were filled.
 */
async function accidents(desk: SalesDesk): Promise<Accidents> {
  const { client, random, world } = desk;
  const [seller, buyer] = [world.events[0], world.events[1]];
  if (!seller || !buyer) throw new Error('invariant broken: two events are of two tenants');
  for (const comes of times(earlyPrices, (n) => n % 2 === 0)) {
    const event = { id: randomUUID(), tenantId: random.pick(world.events).tenantId };
    await insertPrices(client, [price(desk, event)]);
    if (comes) await insert(client, 'events', [{ id: event.id, tenant_id: event.tenantId, name: 'Late event' }]);
  }
  for (const row of times(lostPrices, () => price(desk, seller)))
    await insertPrices(client, [{ ...row, event_id: null }]);
  const sold = { id: randomUUID(), tenantId: seller.tenantId };
  await insert(client, 'events', [{ id: sold.id, tenant_id: sold.tenantId, name: 'Event on sale' }]);
  await insertPrices(
    client,
    times(soldPrices, () => price(desk, sold)),
  );
  return {
    badRows: [
      { table: 'price_history', reason: 'ParentMissing', constraint: null, rows: earlyPrices / 2 },
      { table: 'price_history', reason: 'InputNull', constraint: null, rows: lostPrices },
    ],
    moved: soldPrices,
    move: async () => {
      await untilThere(desk, filled, [sold.id]);
      await client.query(`update events set tenant_id = $2 where id = $1`, [sold.id, buyer.tenantId]);
    },
  };
}

const share = (rows: number, least: number): number => Math.max(least, Math.floor(rows));

export default defineExample<World>({
  tables: ['price_history'],
  target: 'tenant_id',

  seededBadRows: (rows) => {
    const events = share(rows / 100, 40);
    const inputNull = 3 * share(events / 50, 2) + share(rows / 2_000, 2);
    return [
      { table: 'price_history', reason: 'InputNull', constraint: null, rows: inputNull },
      { table: 'price_history', reason: 'ParentMissing', constraint: null, rows: share(rows / 1_000, 3) },
    ];
  },

  lookAround: async (client, { random, version }) => {
    const { rows } = await client.query<Event>(
      `select id, tenant_id as "tenantId" from events where tenant_id is not null and name ~ '^Event [0-9]+$'
        order by created_at limit 2000`,
    );
    const tenant = version === 'new' ? random.pick(rows).tenantId : undefined;
    const events = rows.filter(({ tenantId }) => tenant === undefined || tenantId === tenant);
    return { events, tenant, own: { events: [], prices: [] } };
  },
  signIn: async (client, { tenant }) => {
    if (tenant !== undefined) await client.query(`select set_config('app.tenant_id', $1, false)`, [tenant]);
  },

  operations: [
    ['record price', 25, (desk) => record(desk, 1)],
    ['record prices', 10, (desk) => record(desk, desk.random.between(2, 30))],
    ['correct an old price', 12, correctOld],
    ['correct a new price', 6, correctOwn],
    ['delete price', 4, deleteOwn],
    ['rollback', 4, rolledBack],
    ['new event', 4, newEvent],
    ['cancel event', 2, cancelEvent],
    ['rebook price', 4, rebook],
  ],
  heldOpen,
  accidents,
  probe: { insert: (desk) => record(desk, 1), update: correctOwn },
});
