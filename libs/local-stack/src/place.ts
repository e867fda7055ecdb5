import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A port that was free a moment ago, on the loopback interface. Another process may still win it: callers try again. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/**
 * PostgreSQL refuses to run as root. As root we lend its processes the account `postgres`, else `nobody`, so that no account
 * has to be created on the machine; as anybody else: undefined, our own.
 */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const entries = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = entries.find((fields) => fields[0] === name);
    if (entry) return { name, uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Error('root cannot run PostgreSQL, and neither "postgres" nor "nobody" stands in /etc/passwd');
}

/** Whether an account without privileges can walk to this path (a clone below a private home cannot be reached). */
export function reachableByAll(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}

/** A name, not yet a folder, below a temporary folder that the server's account can reach. */
export function temporaryFolder(what: string, account?: Account): string {
  const reachable = [tmpdir(), '/tmp', '/var/tmp'].find((at) => existsSync(at) && (!account || reachableByAll(at)));
  return join(reachable ?? tmpdir(), `highwater-${what}-${process.pid}-${randomBytes(4).toString('hex')}`);
}

/** The per-user cache: downloads that later runs reuse. */
export function cacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'highwater');
}
