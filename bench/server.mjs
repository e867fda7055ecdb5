// The server that is measured: a distribution's PostgreSQL, on a cluster of its own.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startPostgres } from '@highwater/local-stack';

/** What a small production server would have; the same for every variant. `fsync` stays on. */
const settings = {
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  autovacuum: 'on',
  shared_buffers: '1GB',
  max_wal_size: '8GB',
  checkpoint_timeout: '15min',
  wal_buffers: '16MB',
  maintenance_work_mem: '128MB',
  random_page_cost: '1.1',
  track_commit_timestamp: 'on', // insert → filled is read from the server's own commit times
};

/** Where distributions put them; newest first. */
function places() {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const inPath = (process.env.PATH ?? '').split(':').find((at) => existsSync(join(at, 'initdb')));
  return [pgConfig(), inPath, ...versions.map((version) => join(debian, version, 'bin'))].filter(Boolean);
}

function pgConfig() {
  try {
    return execFileSync('pg_config', ['--bindir'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

/**
 * `HIGHWATER_DATABASE_URL`, else a cluster of our own from a distribution's binaries. The binaries of npm are built without the
 * distribution's options and are not what anybody runs: they are refused unless `embedded`, and then nothing is published.
 */
export async function benchServer({ embedded }) {
  if (process.env.HIGHWATER_DATABASE_URL) return { server: await startPostgres(), publish: true };
  const home = places().find((at) => existsSync(join(at, 'postgres')) && existsSync(join(at, 'initdb')));
  if (home) {
    const postgres = join(home, 'postgres');
    const version = `${execFileSync(postgres, ['--version'], { encoding: 'utf8' }).trim()}, ${dirname(postgres)}`;
    const server = await startPostgres({ settings, binaries: { initdb: join(home, 'initdb'), postgres, version } });
    return { server, publish: true };
  }
  if (embedded) return { server: await startPostgres({ settings }), publish: false };
  throw new Error(
    'no PostgreSQL of a distribution found (pg_config, PATH, /usr/lib/postgresql/*/bin), and HIGHWATER_DATABASE_URL is not set. ' +
      'Install one (apt install postgresql, dnf install postgresql-server), or give --embedded: figures of the npm binaries are shown, never published',
  );
}
