import { readdir, readFile } from 'node:fs/promises';
import { HighwaterError } from '@highwater/kernel';
import type { Client, Database } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { installCodes } from './codes.js';
import { schemaGrants } from './schema-grants.js';
import { rolesOf } from './roles.js';

/** From src/install and from dist/install alike: the lib's own sql/ folder. */
const sqlDirectory = new URL('../../sql/', import.meta.url);

/** `highwater`, in the int4 pair that no migration's `short` and object number use (object 0). */
const installLock = [0x68777472, 0] as const;

/**
 * Installs or upgrades schema `highwater`, as the ddl access. One transaction behind an advisory lock: of two installers the
 * second finds the first one's version row. Grants to the other access roles are repeated each time, so that a new role gets them.
 */
export async function installSchema(
  database: Database,
): Promise<{ readonly version: number; readonly applied: readonly number[] }> {
  const files = await numberedFiles();
  const roles = await rolesOf(database);
  const newest = files.at(-1)?.version ?? 0;
  try {
    return await database.ddl.transaction('installing schema highwater', async (client) => {
      await client.query(`set local lock_timeout = '20s'`);
      await client.query('select pg_advisory_xact_lock($1, $2)', [...installLock]);
      const installed = await installedVersion(client);
      if (installed > newest)
        throw new HighwaterError(
          installCodes.schemaNewer,
          'never',
          `schema highwater is at version ${installed}, this program knows ${newest}; a newer Highwater was here`,
          { installed, newest },
          'run the newer version of Highwater',
        );
      const missing = files.filter((f) => f.version > installed);
      for (const file of missing) await client.query(await readFile(file.url, 'utf8'));
      if (missing.length === 0 && !(await ownsSchema(client))) return { version: newest, applied: [] };
      await client.query(await schemaGrants(client, roles));
      return { version: newest, applied: missing.map((f) => f.version) };
    });
  } catch (error) {
    throw databaseError(error, 'installing schema highwater');
  }
}

async function numberedFiles(): Promise<{ version: number; url: URL }[]> {
  const names = (await readdir(sqlDirectory)).filter((name) => /^\d{4}_.*\.sql$/.test(name)).sort();
  return names.map((name) => ({ version: Number(name.slice(0, 4)), url: new URL(name, sqlDirectory) }));
}

async function installedVersion(client: Client): Promise<number> {
  const { rows } = await client.query<{ there: boolean }>(
    `select to_regclass('highwater.schema_version') is not null as there`,
  );
  if (rows[0]?.there !== true) return 0;
  const found = await client.query<{ version: number }>('select max(version) as version from highwater.schema_version');
  return found.rows[0]?.version ?? 0;
}

async function ownsSchema(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ owns: boolean }>(
    `select pg_has_role(nspowner, 'USAGE') as owns from pg_namespace where nspname = 'highwater'`,
  );
  return rows[0]?.owns === true;
}
