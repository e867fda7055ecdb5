import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import pg from 'pg';
import type { AccessUrls } from '../demo/driver/access-roles.js';
import { highwater } from '../demo/driver/cli.js';
import { databaseUrl, once } from '../postgres-query.js';
import { catalogDifferences, catalogSnapshot } from './catalog-snapshot.js';
import type { ExampleRun } from './run.js';

/** What a database that has only the team's own schema becomes by what `highwater export` wrote. */
export interface Exported {
  readonly form: string;
  /** Where its catalog is not that of the migrated database. */
  readonly differences: readonly string[];
  /** Where `down` does not lead back to what was there before; undefined: this form has none. */
  readonly back: readonly string[] | undefined;
}

type Run = (client: pg.Client, folder: string, direction: 'up' | 'down') => Promise<unknown>;

const fileIn = (folder: string, ending: string): string =>
  join(folder, readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith(ending)) ?? '');

/** What Knex hands to a migration, as far as ours ask for it; Knex itself is asked in the tests of the export. */
interface KnexMigration {
  up(knex: { raw(text: string): Promise<unknown> }): Promise<void>;
  down: KnexMigration['up'];
}

const forms: readonly (readonly [form: string, hasDown: boolean, run: Run])[] = [
  ['sql', true, (client, folder, direction) => client.query(readFileSync(fileIn(folder, `.${direction}.sql`), 'utf8'))],
  [
    'knex',
    true,
    (client, folder, direction) =>
      (createRequire(import.meta.url)(fileIn(folder, '.cjs')) as KnexMigration)[direction]({
        raw: (text) => client.query(text.replaceAll('\\?', '?')),
      }),
  ],
  // last: it has no way back
  ['prisma', false, (client, folder) => client.query(readFileSync(fileIn(folder, 'migration.sql'), 'utf8'))],
];

/** Exports the finished migration in each form and runs what was written on a database of its own that has the team's schema and no row. */
export async function exportAndApply(run: ExampleRun, urls: AccessUrls): Promise<readonly Exported[]> {
  const { stage, folder, migration } = run;
  run.say('phase', 'highwater export, and what it writes run on a fresh database');
  const migrated = await catalogSnapshot(stage.superuserUrl);
  const { url, client } = await freshDatabase(run);
  try {
    await client.query(folder.sql('schema.sql'));
    const before = await catalogSnapshot(url);
    const exported: Exported[] = [];
    for (const [form, hasDown, apply] of forms) {
      const out = join(stage.folder, 'export', form);
      await highwater(['export', migration, '--to', form, '--out', out], urls);
      await apply(client, out, 'up');
      const differences = catalogDifferences(migrated, await catalogSnapshot(url));
      if (hasDown) await apply(client, out, 'down');
      const back = hasDown ? catalogDifferences(before, await catalogSnapshot(url)) : undefined;
      exported.push({ form, differences, back });
    }
    return exported;
  } finally {
    await client.end();
  }
}

/** A session there as the owner of the team's tables. */
async function freshDatabase({ stage, folder, cleanup }: ExampleRun): Promise<{ url: string; client: pg.Client }> {
  const { superuserUrl } = stage;
  const name = `${new URL(superuserUrl).pathname.slice(1)}_fresh`;
  const ident = pg.escapeIdentifier(name);
  const [of] = await once(
    superuserUrl,
    `select pg_get_userbyid(relowner) as owner from pg_class where oid = to_regclass($1)`,
    [pg.escapeIdentifier(folder.example.tables[0] ?? '')],
  );
  await once(superuserUrl, `create database ${ident}`);
  cleanup.add('the fresh database', async () => {
    await once(superuserUrl, `drop database if exists ${ident} with (force)`);
  });
  const url = databaseUrl(superuserUrl, name);
  const client = new pg.Client({ connectionString: url, application_name: 'example export' });
  await client.connect();
  const owner = pg.escapeIdentifier(String(of?.['owner'] ?? ''));
  await client.query(`grant usage, create on schema public to ${owner}; set role ${owner}`);
  return { url, client };
}
