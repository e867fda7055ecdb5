import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { PostgresServer } from '@highwater/local-stack';
import { Guard, whyNotReady } from '../../libs/local-stack/src/guard.js';
import { freePort, temporaryFolder, unprivilegedAccount } from '../../libs/local-stack/src/place.js';
import { postgresBinaries } from '../../libs/local-stack/src/postgres-binaries.js';

/** What a server that takes over does with its copy. */
export interface TakeOver {
  /** `promoted`: on a timeline of its own, as a standby that becomes the primary. `restored`: on the same one, as a snapshot that is started. */
  readonly how: 'promoted' | 'restored';
  /** As a standby whose slots nobody synchronised: those of the copy are not there. */
  readonly withoutSlots?: boolean;
}

export interface CopiedServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** A physical copy of a running server, with its slots as they stood, waiting to be started. */
export interface PhysicalCopy {
  start(as: TakeOver): Promise<CopiedServer>;
  remove(): void;
}

/** At least what the primary has, as recovery demands. */
const settings = {
  wal_level: 'logical',
  max_replication_slots: '20',
  max_wal_senders: '20',
  max_connections: '200',
  max_prepared_transactions: '10',
  max_slot_wal_keep_size: '4GB',
  max_wal_size: '2GB',
  fsync: 'off',
  shared_buffers: '128MB',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  restore_command: 'false', // nothing beyond the copy
};

/** Takes it as a base backup does: between `pg_backup_start` and `pg_backup_stop`, with the WAL up to the end. */
export async function copyServer(server: PostgresServer): Promise<PhysicalCopy> {
  const from = server.dataDirectory;
  if (from === undefined) throw new Error('a server that was given has no data directory to copy');
  const account = unprivilegedAccount();
  const folder = temporaryFolder('copy', account);
  mkdirSync(folder, { mode: 0o700 });
  if (account) chownSync(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  const client = new pg.Client({ connectionString: server.superuserUrl });
  await client.connect();
  try {
    await client.query(`select pg_backup_start('copy', true)`);
    copy(from, data); // files that come and go meanwhile are what the backup's WAL is for
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)');
    copy(join(from, 'pg_wal'), join(data, 'pg_wal'));
    for (const name of ['postmaster.pid', 'postmaster.opts']) rmSync(join(data, name), { force: true });
    own(join(data, 'backup_label'), rows[0]?.labelfile ?? '');
  } finally {
    await client.end();
  }

  function own(file: string, text: string): void {
    writeFileSync(file, text, { mode: 0o600 });
    if (account) chownSync(file, account.uid, account.gid);
  }
  return {
    async start({ how, withoutSlots = false }) {
      if (how === 'promoted') own(join(data, 'recovery.signal'), '');
      if (withoutSlots) rmSync(join(data, 'pg_replslot'), { recursive: true });
      if (withoutSlots) mkdirSync(join(data, 'pg_replslot'), { mode: 0o700 });
      if (withoutSlots && account) chownSync(join(data, 'pg_replslot'), account.uid, account.gid);
      const port = await freePort();
      const directory = temporaryFolder('copied', account);
      const moved = join(directory, 'data');
      const guard = new Guard({
        directory,
        owner: account,
        files: {},
        before: [{ command: 'cp', args: ['-a', data, moved] }],
        server: {
          command: postgresBinaries(server.major as 15 | 18, account).postgres,
          args: [
            '-D',
            moved,
            ...Object.entries({ ...settings, port: String(port) }).flatMap(([k, v]) => ['-c', `${k}=${v}`]),
          ],
        },
        env: { LC_ALL: 'C' },
        signals: { fast: 'SIGINT', immediate: 'SIGQUIT' },
      });
      const url = Object.assign(new URL(server.superuserUrl), { port: String(port) }).href;
      const reason = await whyNotReady(guard, () => writable(url), 30_000);
      if (reason !== undefined) {
        await guard.stop();
        throw new Error(`the copy did not start: ${reason}`);
      }
      return { port, stop: () => guard.stop() };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const copy = (from: string, to: string): void => void spawnSync('cp', ['-aT', from, to]);

async function writable(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  const { rows } = await client
    .query<{ recovering: boolean }>('select pg_is_in_recovery() as recovering')
    .finally(() => client.end());
  if (rows[0]?.recovering !== false) throw new Error('it is still in recovery');
}
