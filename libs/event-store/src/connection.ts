import type { Socket } from 'node:net';
import pg from 'pg';
import { HighwaterError } from '@highwater/kernel';
import { DataSource } from 'typeorm';
import { plaintextRefused } from './codes.js';

export interface EventStoreSettings {
  /** URL of the state access role. `sslmode` in it never decides. */
  readonly url: string;
  /** Undefined: none on this host, else the server's certificate is verified. `disable`: on purpose, only with `allowPlaintext`. */
  readonly tls?: 'verify-full' | 'disable';
  /** PEM text of the certificate authority. */
  readonly tlsCa?: string;
  readonly allowPlaintext?: boolean;
  readonly applicationName: string;
  /** Connections at most; default 4. */
  readonly poolMax?: number;
}

/** Of every session, sent with the connection itself: they override a role's or database's own defaults (F67). */
const sessionOptions = Object.entries({
  search_path: 'pg_catalog,pg_temp',
  row_security: 'off',
  default_transaction_isolation: 'read\\ committed',
  default_transaction_read_only: 'off',
  TimeZone: 'UTC',
  idle_in_transaction_session_timeout: '5s',
  client_connection_check_interval: '1s',
  // an append waits for the head row no longer than this, and holds it for one statement
  statement_timeout: '5s',
})
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(' ');

/** Every statement is answered within `statement_timeout`; a server that stays silent for longer is gone, whatever TCP still hopes for. */
const silenceMsMax = 12_000;

/** Runs on every new connection of the pool, before its first statement. */
function boundSilence(client: unknown): void {
  const driver = client as { connection: { stream: Socket }; readyForQuery: boolean | null; _ending: boolean };
  const { stream } = driver.connection;
  stream.setTimeout(silenceMsMax);
  stream.on('timeout', () => {
    // `_ending`: goodbye was said, and the server may never hang up
    if (driver.readyForQuery !== true || driver._ending)
      stream.destroy(new Error('connection terminated: the server was silent'));
  });
}

/** Sessions that an event store opens at most, unless its settings say so. */
export const eventStoreSessionsMax = 4;

/** Connects nothing yet; `initialize()` does. */
export function dataSource(settings: EventStoreSettings): DataSource {
  const url = new URL(settings.url);
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '');
  const local = host.startsWith('/') || ['', 'localhost', '127.0.0.1', '::1'].includes(host);
  const tls = settings.tls ?? (local ? 'disable' : 'verify-full');
  if (tls === 'disable' && !local && settings.allowPlaintext !== true) {
    throw new HighwaterError(
      plaintextRefused,
      'never',
      `event log connection to ${host} without TLS refused; credentials and events would travel in the clear`,
      { host },
      'set HIGHWATER_DATABASE_TLS=verify-full',
    );
  }
  const ca = settings.tlsCa === undefined ? {} : { ca: settings.tlsCa };
  return new DataSource({
    type: 'postgres',
    // named here, so that a bundle has it: TypeORM asks for it by a name that it works out
    driver: pg,
    host: host || 'localhost',
    port: url.port ? Number(url.port) : 5432,
    username: decodeURIComponent(url.username),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
    database: decodeURIComponent(url.pathname.slice(1)),
    ssl: tls === 'disable' ? false : { rejectUnauthorized: true, minVersion: 'TLSv1.2', ...ca },
    applicationName: settings.applicationName.slice(0, 63),
    poolSize: settings.poolMax ?? eventStoreSessionsMax,
    connectTimeoutMS: 10_000,
    synchronize: false,
    migrationsRun: false,
    installExtensions: false,
    logging: false,
    entities: [],
    // an idle connection died: the next use opens another and reports what is wrong
    poolErrorHandler: () => undefined,
    extra: { options: sessionOptions, keepAlive: true, keepAliveInitialDelayMillis: 10_000, onConnect: boundSilence },
  });
}
