import pg from 'pg';
import { leftovers } from '../demo/oracle.js';
import type { Leftovers, TableVerdict } from '../demo/oracle.js';
import type { BadRows } from './example.js';
import type { ExampleFolder } from './folder.js';

async function inSnapshot<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'example oracle' });
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    const answer = await work(client);
    await client.query('commit');
    return answer;
  } finally {
    await client.end();
  }
}

/** What the hand-written SQL of an example says of the database as it is now, each in one snapshot, as a superuser. */
export const badRowsNow = (url: string, folder: ExampleFolder): Promise<BadRows[]> =>
  inSnapshot(url, async (client) => (await client.query<BadRows>(folder.sql('bad-rows.sql'))).rows);

export interface EndState {
  readonly tables: readonly TableVerdict[];
  /** What shall stand at the end, and whether it does. */
  readonly standing: readonly { readonly what: string; readonly holds: boolean }[];
  readonly leftovers: Leftovers;
}

export const endState = (url: string, folder: ExampleFolder): Promise<EndState> =>
  inSnapshot(url, async (client) => ({
    tables: (await client.query<TableVerdict>(folder.sql('oracle.sql'))).rows,
    standing: (await client.query<{ what: string; holds: boolean }>(folder.sql('end-state.sql'))).rows,
    leftovers: await leftovers(client),
  }));

/** The team's own statements about the rows that were listed, one transaction, as the application. */
export async function repair(applicationUrl: string, folder: ExampleFolder): Promise<void> {
  const client = new pg.Client({ connectionString: applicationUrl, application_name: 'repair by the team' });
  await client.connect();
  try {
    await client.query(folder.sql('repair.sql'));
  } finally {
    await client.end();
  }
}

export const serverVersion = (url: string): Promise<string> =>
  inSnapshot(url, async (client) => {
    const { rows } = await client.query<{ server_version: string }>('show server_version');
    return rows[0]?.server_version ?? 'unknown';
  });

export const sizesOf = async (url: string, tables: readonly string[]) =>
  inSnapshot(
    url,
    async (client) =>
      (
        await client.query<{ table: string; heapBytes: number; totalBytes: number }>(
          `select t as table, pg_relation_size(format('%I', t)::regclass)::float8 as "heapBytes",
                  pg_total_relation_size(format('%I', t)::regclass)::float8 as "totalBytes"
             from unnest($1::text[]) with ordinality as u (t, n) order by n`,
          [tables],
        )
      ).rows,
  );
