import { setTimeout as wait } from 'node:timers/promises';
import type pg from 'pg';
import { copyIn } from './copy-in.js';
import { insert, oldPosition } from './rows.js';
import type { ActivityRef, Row, RowMaker } from './rows.js';
import type { Tally } from './tally.js';

/** What one writer has at hand. It deletes and references only its own rows, so that writers never break one another. */
export interface Desk {
  readonly client: pg.Client;
  readonly make: RowMaker;
  readonly own: { activities: ActivityRef[]; responses: string[] };
  /** Ends a transaction that is held open. */
  readonly stop: AbortSignal;
}

/** What an operation changed, counted after its commit. */
export type Effect = Partial<Omit<Tally, 'errors' | 'errorSamples' | 'transactions'>>;

export type Operation = (desk: Desk) => Promise<Effect>;

const OWN_ROWS_KEPT = 500;
const keep = <T>(list: T[], ...items: T[]): void => {
  list.push(...items);
  list.splice(0, Math.max(0, list.length - OWN_ROWS_KEPT));
};

const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

async function transaction(
  client: pg.Client,
  work: () => Promise<void>,
  end: 'commit' | 'rollback' = 'commit',
): Promise<void> {
  await client.query('begin');
  await work();
  await client.query(end);
}

const anyActivity = ({ make, own }: Desk): ActivityRef =>
  make.random.next() < 0.3 && own.activities.length > 0
    ? make.random.pick(own.activities)
    : make.random.pick(make.known.activities);

async function insertActivities(desk: Desk, count: number): Promise<Effect> {
  const made = times(count, () => desk.make.activity());
  await insert(
    desk.client,
    'Activity',
    made.map(({ row }) => row),
  );
  keep(desk.own.activities, ...made.map(({ ref }) => ref));
  return { inserted: count };
}

async function insertResponses(desk: Desk, count: number): Promise<Effect> {
  const made = times(count, () => desk.make.response(anyActivity(desk)));
  await insert(
    desk.client,
    'Response',
    made.map(({ row }) => row),
  );
  keep(desk.own.responses, ...made.map(({ id }) => id));
  return { inserted: count };
}

async function updateOld(desk: Desk, table: string, assignment: string): Promise<Effect> {
  const { rowCount } = await desk.client.query(
    `update "${table}" set ${assignment} where id = (select id from "${table}" where id >= $1 order by id limit 1)`,
    [oldPosition(desk.make.random, desk.make.known)],
  );
  return { updated: rowCount ?? 0 };
}

async function deleteResponse(desk: Desk): Promise<Effect> {
  const own = desk.make.random.next() < 0.5 ? desk.own.responses.pop() : undefined;
  const { rowCount } = own
    ? await desk.client.query(`delete from "Response" where id = $1`, [own])
    : await desk.client.query(
        `delete from "Response" where id = (select id from "Response" where id >= $1 order by id limit 1)`,
        [oldPosition(desk.make.random, desk.make.known)],
      );
  return { deleted: rowCount ?? 0 };
}

async function deleteOwnActivity({ client, own }: Desk): Promise<Effect> {
  const activity = own.activities.pop();
  if (!activity) return {};
  const { rowCount } = await client.query(
    `delete from "Activity" a where id = $1 and not exists (select from "Response" r where r."activityId" = a.id)`,
    [activity.id],
  );
  return { deleted: rowCount ?? 0 };
}

async function rolledBack({ client, make }: Desk): Promise<Effect> {
  const rows = times(3, () => make.activity().row);
  await transaction(client, () => insert(client, 'Activity', rows), 'rollback');
  return { rolledBack: rows.length };
}

async function savepoints(desk: Desk): Promise<Effect> {
  const { client, make, own } = desk;
  const kept = times(3, () => make.activity());
  const [first, second, third] = kept.map(({ row }) => [row]) as [Row[], Row[], Row[]];
  await transaction(client, async () => {
    await insert(client, 'Activity', first);
    await client.query('savepoint a');
    await insert(client, 'Activity', [make.activity().row, make.activity().row]);
    await client.query('rollback to savepoint a');
    await client.query('savepoint b');
    await insert(client, 'Activity', second);
    await client.query('release savepoint b');
    await insert(client, 'Activity', third);
  });
  keep(own.activities, ...kept.map(({ ref }) => ref));
  return { inserted: 3, rolledBack: 2 };
}

/** The same key deleted and inserted in one transaction: until it is visible, the old and perhaps filled row is seen. */
async function rewritten(desk: Desk): Promise<Effect> {
  const { client, make } = desk;
  const { id, row } = make.response(anyActivity(desk));
  await insert(client, 'Response', [row]);
  await transaction(client, async () => {
    await client.query(`delete from "Response" where id = $1`, [id]);
    await insert(client, 'Response', [row]);
  });
  keep(desk.own.responses, id);
  return { inserted: 2, deleted: 1 };
}

async function insertedThenUpdated(desk: Desk): Promise<Effect> {
  const { ref, row } = desk.make.activity();
  await transaction(desk.client, async () => {
    await insert(desk.client, 'Activity', [row]);
    await desk.client.query(`update "Activity" set status = 'OPEN', "updatedAt" = now() where id = $1`, [ref.id]);
  });
  keep(desk.own.activities, ref);
  return { inserted: 1, updated: 1 };
}

async function copied({ client, make }: Desk): Promise<Effect> {
  const rows = times(make.random.between(50, 150), () => make.activity().row);
  const columns = Object.keys(rows[0] ?? {});
  const values = rows.map((row) => columns.map((column) => (row[column] === null ? null : String(row[column]))));
  await copyIn(client, `"Activity" (${columns.map((column) => `"${column}"`).join(', ')})`, values);
  return { copied: rows.length };
}

/** A new customer: both rows in one transaction, as the team's application does it, then a group and its first activities. */
async function newOrganization({ client, make }: Desk): Promise<Effect> {
  const { ref: org } = make.activity();
  const { ref: group, row } = make.group(org.id);
  const activities = times(3, () => make.activity(group).row);
  await transaction(client, async () => {
    await insert(client, 'Organization', [{ id: org.id, name: 'New organization' }]);
    await insert(client, 'Workspace', [{ id: org.id, name: 'New organization', slug: `org-${org.id}` }]);
    await insert(client, 'Group', [row]);
    await insert(client, 'Activity', activities);
  });
  make.known.groups.push(group);
  return { inserted: 3 + activities.length, organizations: 1 };
}

/** Rows that no count sees for seconds, committed late: decoded after everything that was written meanwhile. */
export async function heldOpen(desk: Desk): Promise<Effect> {
  const { client, make, stop } = desk;
  await transaction(client, async () => {
    await insert(
      client,
      'Activity',
      times(4, () => make.activity().row),
    );
    await wait(make.random.between(2_000, 4_000), undefined, { signal: stop }).catch(() => undefined);
    await insert(
      client,
      'Response',
      times(4, () => make.response(anyActivity(desk)).row),
    );
  });
  return { inserted: 8, held: 1 };
}

/** Name, weight, operation. */
export const operations: readonly (readonly [string, number, Operation])[] = [
  ['insert activity', 20, (desk) => insertActivities(desk, 1)],
  ['insert response', 25, (desk) => insertResponses(desk, 1)],
  ['insert activities', 6, (desk) => insertActivities(desk, desk.make.random.between(2, 20))],
  ['insert responses', 6, (desk) => insertResponses(desk, desk.make.random.between(2, 20))],
  ['update activity', 14, (desk) => updateOld(desk, 'Activity', `title = title || '.', "updatedAt" = now()`)],
  ['update response', 8, (desk) => updateOld(desk, 'Response', 'score = coalesce(score, 0) + 1')],
  ['delete response', 3, deleteResponse],
  ['delete activity', 2, deleteOwnActivity],
  ['rollback', 4, rolledBack],
  ['savepoints', 4, savepoints],
  ['delete and insert again', 2, rewritten],
  ['insert then update', 3, insertedThenUpdated],
  ['copy', 1, copied],
  ['new organization', 1, newOrganization],
];
