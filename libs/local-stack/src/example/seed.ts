import pg from 'pg';
import type { StageAccounts } from '../demo/driver/stage.js';
import { createAccounts } from '../demo/seed.js';
import type { ExampleFolder } from './folder.js';

/** Tables and rows of one example in an empty database, made as the tables' owner. */
export async function seedExample(
  superuserUrl: string,
  folder: ExampleFolder,
  { rows, seed }: { rows: number; seed: number },
  accounts: StageAccounts,
): Promise<void> {
  const client = new pg.Client({ connectionString: superuserUrl, application_name: 'example seed' });
  await client.connect();
  try {
    await client.query('set synchronous_commit = off');
    await createAccounts(client, accounts);
    await client.query(`set role ${pg.escapeIdentifier(accounts.ownerRole)}`);
    await client.query(folder.sql('schema.sql'));
    await client.query(`select set_config('example.rows', $1, false), set_config('example.seed', $2, false)`, [
      String(rows),
      String(seed),
    ]);
    await client.query(folder.sql('seed.sql'));
    const application = pg.escapeIdentifier(accounts.applicationRole);
    await client.query(`grant select, insert, update, delete on all tables in schema public to ${application}`);
    await client.query('vacuum (analyze)');
  } finally {
    await client.end();
  }
}
