import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import { fetchedFolder } from '@highwater/local-stack';

/** Exact: a tool that changes under the tests proves nothing. TypeORM is a dependency of ours anyway. */
const wanted = ['knex@3.3.0', 'prisma@6.19.0', '@prisma/adapter-pg@7.10.1', 'pg@8.23.1'];
const folderName = 'migration-tools-1';

/**
 * Knex and Prisma as npm brings them, fetched once into the user's cache: they are no dependencies, since Prisma's install script downloads an
 * engine. Without that script its engine of WebAssembly works, which its package holds.
 */
export function migrationTools(): { readonly folder: string; require(name: string): unknown } {
  const home = join(dirname(fetchedFolder(16)), folderName);
  if (!existsSync(home)) {
    mkdirSync(dirname(home), { recursive: true });
    const scratch = mkdtempSync(join(dirname(home), `${folderName}-`));
    writeFileSync(
      join(scratch, 'package.json'),
      JSON.stringify({ private: true, description: 'fetched by highwater' }),
    );
    const npm = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', ...wanted];
    const done = spawnSync('npm', npm, { cwd: scratch, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`npm could not fetch ${wanted.join(' ')}:\n${done.stderr}`);
    // two runs side by side see a whole folder or none
    try {
      renameSync(scratch, home);
    } catch (error) {
      rmSync(scratch, { recursive: true, force: true });
      if (!existsSync(home)) throw error;
    }
  }
  const require = createRequire(join(home, 'package.json'));
  return { folder: home, require: (name) => require(name) as unknown };
}

/** Prisma asks for two binaries before it does anything; its engine of WebAssembly never runs them. */
const notCalled = { PRISMA_QUERY_ENGINE_LIBRARY: process.execPath, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath };

/*
 * The adapter's connections keep the process alive for ten seconds unless told otherwise, and it knows neither "char" nor "name", which
 * Prisma's own look at the catalog asks for.
 */
const prismaConfig = `import { defineConfig } from 'prisma/config';
import { PrismaPg } from '@prisma/adapter-pg';
import pg from 'pg';
const asked = pg.Client.prototype.query;
const asText = (result) => {
  for (const field of result?.fields ?? []) if (field.dataTypeID === 18 || field.dataTypeID === 19) field.dataTypeID = 25;
  return result;
};
pg.Client.prototype.query = function (...given) {
  const answer = asked.apply(this, given);
  return typeof answer?.then === 'function' ? answer.then(asText) : answer;
};
export default defineConfig({
  experimental: { adapter: true },
  engine: 'js',
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  adapter: async () => new PrismaPg({ connectionString: process.env.DATABASE_URL, idleTimeoutMillis: 10 }),
});
`;

const psql = `#!${process.execPath}
const [url, flag, text] = process.argv.slice(2);
if (flag !== '-c') throw new Error('only -c is known here');
const { Client } = (await import(process.env.PG_MODULE)).default;
const client = new Client({ connectionString: url });
await client.connect();
try { await client.query(text); } catch (error) { console.error(error.message); process.exitCode = 3; }
await client.end();
`;

/** A team's checkout: the tools within reach of `npx`, `highwater` and `psql` on the path, printed commands run as they stand. */
export interface Checkout {
  readonly folder: string;
  write(path: string, text: string): void;
  /** Runs one or many lines in a POSIX shell, stopping at the first that fails; throws unless it ends with `code`. */
  run(script: string, databaseUrl: string, options?: { code?: number; environment?: Record<string, string> }): string;
  remove(): void;
}

export function checkout(): Checkout {
  const tools = migrationTools();
  const folder = mkdtempSync(join(tmpdir(), 'highwater-team-'));
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode });
  };
  const cli = new URL('../../apps/cli/dist/main.js', import.meta.url).pathname;
  symlinkSync(join(tools.folder, 'node_modules'), join(folder, 'node_modules'));
  write('package.json', '{ "private": true }');
  write('prisma.config.mjs', prismaConfig);
  write('prisma/migrations/migration_lock.toml', 'provider = "postgresql"\n');
  write('bin/psql', psql, 0o755);
  write('bin/package.json', '{ "type": "module" }');
  write('bin/highwater', `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`, 0o755);
  return {
    folder,
    write,
    run(script, databaseUrl, { code = 0, environment = {} } = {}) {
      const done = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
        cwd: folder,
        encoding: 'utf8',
        env: {
          ...notCalled,
          PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
          HOME: process.env['HOME'] ?? folder,
          PG_MODULE: join(tools.folder, 'node_modules/pg/lib/index.js'),
          DATABASE_URL: databaseUrl,
          HIGHWATER_DATABASE_URL: databaseUrl,
          CHECKPOINT_DISABLE: '1',
          PRISMA_HIDE_UPDATE_MESSAGE: '1',
          ...environment,
        },
      });
      const said = `${done.stdout}${done.stderr}`;
      if (done.status !== code) throw new Error(`ended with ${done.status}, expected ${code}:\n${script}\n${said}`);
      return said;
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
