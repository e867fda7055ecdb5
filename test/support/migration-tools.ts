import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import { fetchedFolder } from '@highwater/local-stack';
import { waitFor } from './stack.js';

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

/** The adapter's connections keep the process alive for ten seconds unless told otherwise. */
const prismaConfig = `import { defineConfig } from 'prisma/config';
import { PrismaPg } from '@prisma/adapter-pg';
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

/*
 * Does to the record what Prisma's documentation says that its commands do, in a tenth of their time; that the real one does the same is shown
 * by the specs that run it.
 */
const documentedPrisma = `#!${process.execPath}
import { createHash, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
const [, group, verb, option, name] = process.argv.slice(2);
const { Client } = (await import(process.env.PG_MODULE)).default;
const client = new Client({ connectionString: process.env.DATABASE_URL });
await client.connect();
const table = '"_prisma_migrations"';
const open = 'finished_at is null and rolled_back_at is null';
if (group === 'db') await client.query(readFileSync(option === '--stdin' ? 0 : name, 'utf8'));
else if (verb === 'resolve') {
  const { rowCount } = await client.query('update ' + table + ' set rolled_back_at = now() where migration_name = $1 and ' + open, [name]);
  if (option === '--rolled-back' && rowCount === 0) throw new Error('P3012: ' + name + ' is not in a failed state');
  if (option === '--applied') {
    const sum = createHash('sha256').update(readFileSync('prisma/migrations/' + name + '/migration.sql')).digest('hex');
    await client.query('insert into ' + table + ' (id, checksum, finished_at, migration_name, applied_steps_count) values ($1, $2, now(), $3, 0)', [randomUUID(), sum, name]);
  }
} else if (verb === 'status') {
  const { rows } = await client.query('select migration_name as name from ' + table + ' where finished_at is not null and rolled_back_at is null');
  const pending = readdirSync('prisma/migrations').filter((one) => /^\\d/.test(one) && !rows.some((row) => row.name === one));
  const failed = await client.query('select from ' + table + ' where ' + open);
  if (pending.length > 0 || failed.rowCount > 0) throw new Error('pending: ' + pending.join(' '));
  console.log('Database schema is up to date!');
} else throw new Error('not known here: ' + process.argv.slice(2).join(' '));
await client.end();
`;

/** A team's checkout: the tools within reach of `npx`, `highwater` and `psql` on the path, printed commands run as they stand. */
export interface Checkout {
  readonly folder: string;
  write(path: string, text: string): void;
  read(path: string): string;
  /** Runs one or many lines in a POSIX shell, stopping at the first that fails; throws unless it ends with 0. */
  run(script: string, databaseUrl: string, options?: { environment?: Record<string, string> }): Promise<string>;
  /** One command, killed when `when` says so, or by itself at a failpoint of its environment; the test's own process goes on meanwhile. */
  killed(
    command: string,
    databaseUrl: string,
    by: { readonly environment?: Record<string, string>; readonly when?: () => Promise<boolean> },
  ): Promise<void>;
  remove(): void;
}

/** `prisma`: the real one, or what stands in for it. */
export function checkout(prisma: 'real' | 'documented' = 'real'): Checkout {
  const tools = migrationTools();
  const folder = mkdtempSync(join(tmpdir(), 'highwater-team-'));
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text, { mode });
  };
  const cli = new URL('../../dist/highwater.js', import.meta.url).pathname;
  symlinkSync(join(tools.folder, 'node_modules'), join(folder, 'node_modules'));
  write('package.json', '{ "private": true }');
  write('prisma.config.mjs', prismaConfig);
  write('prisma/migrations/migration_lock.toml', 'provider = "postgresql"\n');
  write('bin/psql', psql, 0o755);
  write('bin/package.json', '{ "type": "module" }');
  if (prisma === 'documented') write('bin/npx', documentedPrisma, 0o755);
  write('bin/engine', '#!/bin/sh\nexit 0\n', 0o755);
  write('bin/highwater', `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`, 0o755);
  const environmentOf = (databaseUrl: string, environment: Record<string, string>): Record<string, string> => ({
    // Prisma asks for two binaries before it does anything; its engine of WebAssembly needs none, but for one question that this answers
    PRISMA_QUERY_ENGINE_LIBRARY: join(folder, 'bin/engine'),
    PRISMA_SCHEMA_ENGINE_BINARY: join(folder, 'bin/engine'),
    PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}`,
    HOME: process.env['HOME'] ?? folder,
    PG_MODULE: join(tools.folder, 'node_modules/pg/lib/index.js'),
    DATABASE_URL: databaseUrl,
    HIGHWATER_DATABASE_URL: databaseUrl,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    ...environment,
  });
  return {
    folder,
    write,
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    async run(script, databaseUrl, { environment = {} } = {}) {
      const env = environmentOf(databaseUrl, environment);
      const child = spawn('bash', ['-e', '-o', 'pipefail', '-c', script], {
        cwd: folder,
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => void (said += text));
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
      if (code !== 0) throw new Error(`ended with ${code}:\n${script}\n${said}`);
      return said;
    },
    async killed(command, databaseUrl, { environment = {}, when }) {
      const child = spawn('bash', ['-c', `exec ${command}`], {
        cwd: folder,
        env: environmentOf(databaseUrl, environment),
        stdio: 'ignore',
      });
      const signal = new Promise((resolve) => child.once('exit', (_, by) => resolve(by)));
      if (when) await waitFor(`the moment to kill ${command}`, when);
      if (when) child.kill('SIGKILL');
      const ended = await signal;
      if (ended !== 'SIGKILL') throw new Error(`${command} ended by ${String(ended)}, not by being killed`);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
