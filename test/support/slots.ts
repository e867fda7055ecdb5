import pg from 'pg';
import { waitFor } from './stack.js';

/** Drops the slots of that name (LIKE), once the walsender of whoever has just left has ended; what holds one on is named. */
export async function dropSlots(url: string, name = '%'): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const left = async (): Promise<unknown[]> =>
    (
      await client.query(
        `select slot_name, active_pid, application_name from pg_replication_slots left join pg_stat_activity on pid = active_pid where slot_name like $1`,
        [name],
      )
    ).rows;
  try {
    await waitFor(
      `slots ${name} to be free`,
      async () => {
        await client.query(
          'select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name like $1 and not active',
          [name],
        );
        return (await left()).length === 0;
      },
      { everyMs: 50, describe: left },
    );
  } finally {
    await client.end();
  }
}
