import pg from 'pg';

/** One statement (or several without parameters) on a connection of its own. */
export async function once(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'highwater local-stack' });
  client.on('error', () => undefined); // a server going down is reported by the query, or does not matter any more
  await client.connect();
  try {
    const result = await client.query<Record<string, unknown>>(text, values);
    return result.rows ?? [];
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The same server and account, another database. */
export const databaseUrl = (url: string, database: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${encodeURIComponent(database)}`;
  return changed.href;
};
