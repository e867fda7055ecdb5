import pg from 'pg';
import { unique } from '../../support/stack.js';
import type { World } from '../world.js';

/** A row without a value in a transaction that nobody sees for seconds. */
export async function longTransaction(world: World, random: () => number): Promise<string> {
  const client = new pg.Client({ connectionString: world.url, application_name: 'application by hand' });
  client.on('error', () => undefined);
  await client.connect();
  const ms = Math.round(2_000 + random() * 4_000);
  try {
    await client.query('begin');
    await client.query(
      `insert into "Activity" (id, "groupId", title) select $1, id, 'held open' from "Group" order by id limit 1`,
      [`held${unique()}${unique()}`],
    );
    await new Promise((resolve) => setTimeout(resolve, ms));
    await client.query('commit');
    return `${ms} ms`;
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Of responses: nothing refers to them. */
export async function massDelete({ admin }: World): Promise<string> {
  const gone = await admin.patient(
    `delete from "Response" where id in (select id from "Response" order by md5(id) limit 2000) returning 1`,
  );
  return `${gone.length} responses`;
}

/** All sessions of ours at once. */
export async function terminateSessions({ admin }: World): Promise<string> {
  const ended = await admin.patient(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'highwater/%' and datname = current_database()`,
  );
  return `${ended.length} sessions`;
}
