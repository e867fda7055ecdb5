import type { Client } from './database.js';

/** A session of ours on this database that another process has. */
export interface OtherSession {
  readonly pid: number;
  /** `highwater/<instance>/<access role>`, of another process possibly with our own instance. */
  readonly application: string;
  readonly user: string;
}

/**
 * Told apart by their backends: any number of processes may have been given one HIGHWATER_INSTANCE.
 *
 * @param own backends of this process, see `Database.backends`.
 */
export async function otherSessions(client: Client, own: readonly number[]): Promise<readonly OtherSession[]> {
  const { rows } = await client.query<OtherSession & { [column: string]: unknown }>(
    `select pid, application_name as application, coalesce(usename::text, '') as "user" from pg_stat_activity
      where datname = current_database() and application_name like 'highwater/%' and pid <> all($1::int[]) and pid <> pg_backend_pid() order by application_name, pid`,
    [[...own]],
  );
  return rows;
}
