import { isIP } from 'node:net';
import pg from 'pg';
import { HighwaterError } from '@highwater/kernel';
import { sessionCodes } from './codes.js';
import { databaseError } from './errors.js';
import {
  accessRoles,
  defaultInstance,
  sessionSettings,
  settingsNotCompared,
  type AccessRole,
  type DatabaseSettings,
} from './settings.js';
import { boundSilence } from './silence.js';

export type Client = pg.ClientBase;
export type Row = Record<string, unknown>;

/**
 * Connections of one access role. Every session has its settings set and read back before anyone gets it.
 * Values arrive as node-postgres makes them (int8 and numeric as text); keys are cast to text in SQL, never parsed here.
 */
export class Access {
  /**
   * The same access by sessions of their own, as many as are asked for: for whoever keeps one for minutes, or while asking for another. Were they of
   * the few that come and go, so many keepers as there are sessions would each wait for one more, and everybody else with them.
   */
  readonly lasting: Access;

  constructor(
    readonly role: AccessRole,
    private readonly pool: pg.Pool,
    /** `user@host:port/database`, for messages. */
    private readonly where: string,
    /** Of the settings: SQL functions that rules may call on this database. */
    readonly allowedFunctions: readonly string[] = [],
    lasting?: pg.Pool,
  ) {
    this.lasting = lasting ? new Access(role, lasting, where, allowedFunctions) : this;
  }

  /** One statement on its own connection; driver errors come out typed, `doing` names what failed. */
  async query<R extends Row = Row>(doing: string, text: string, values: readonly unknown[] = []): Promise<R[]> {
    return this.session(doing, async (client) => (await client.query<R>(text, [...values])).rows);
  }

  /** Lends a session. A session whose work threw is not reused: its transaction state and timeouts are unknown. */
  async session<T>(doing: string, work: (client: Client) => Promise<T>): Promise<T> {
    let client: pg.PoolClient;
    try {
      client = await this.pool.connect();
    } catch (error) {
      throw databaseError(error, `${doing}: connecting as access role ${this.role} (${this.where})`);
    }
    let failed: Error | undefined;
    const onError = (error: Error): void => {
      failed = error;
    };
    client.on('error', onError);
    try {
      return await work(client);
    } catch (error) {
      failed = error instanceof Error ? error : new Error(String(error));
      throw error;
    } finally {
      client.off('error', onError);
      client.release(failed);
    }
  }

  /** READ COMMITTED transaction; rolls back when `work` throws. The driver's own error is thrown, so that callers can decide on its SQLSTATE. */
  async transaction<T>(doing: string, work: (client: Client) => Promise<T>): Promise<T> {
    return this.session(doing, async (client) => {
      await client.query('begin isolation level read committed');
      try {
        const result = await work(client);
        await client.query('commit');
        return result;
      } catch (error) {
        await client.query('rollback').catch(() => undefined);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    await Promise.all([this.pool.end(), this.lasting === this ? undefined : this.lasting.close()]);
  }
}

export interface Database {
  readonly stream: Access;
  readonly fill: Access;
  readonly state: Access;
  readonly ddl: Access;
  readonly settings: DatabaseSettings;
  readonly instance: string;
  /** Process ids, on the server, of the sessions that these connections have open now. */
  backends(): readonly number[];
  close(): Promise<void>;
}

const poolMaxDefault: Readonly<Record<AccessRole, number>> = { stream: 3, fill: 10, state: 6, ddl: 3 };

/** Sessions of each access role that come and go; `Access.lasting` lends others. */
export const poolMaxOf = ({ poolMax }: Pick<DatabaseSettings, 'poolMax'>): Readonly<Record<AccessRole, number>> => ({
  ...poolMaxDefault,
  ...poolMax,
});

/** Opens nothing yet: the first use of an access role connects. */
export function openDatabase(settings: DatabaseSettings): Database {
  const instance = settings.instance ?? defaultInstance();
  const clients = new Set<pg.PoolClient>();
  const open = (role: AccessRole): Access => {
    const config = connectionConfig(settings, role);
    const pool = (max: number): pg.Pool =>
      new pg.Pool({
        ...config,
        max,
        idleTimeoutMillis: 30_000,
        connectionTimeoutMillis: 10_000,
        onConnect: (client: Client) => {
          boundSilence(client);
          return prepareSession(client);
        },
      })
        .on('error', () => undefined) // an idle connection died; the next use makes a new one and reports what is wrong
        .on('connect', (client) => clients.add(client))
        .on('remove', (client) => clients.delete(client));
    return new Access(
      role,
      pool(poolMaxOf(settings)[role]),
      `${config.user || 'default user'}@${config.host}:${config.port}/${config.database}`,
      settings.allowedFunctions,
      pool(Infinity),
    );
  };
  const [stream, fill, state, ddl] = accessRoles.map(open) as [Access, Access, Access, Access];
  return {
    stream,
    fill,
    state,
    ddl,
    settings,
    instance,
    backends: () => [...clients].flatMap((client) => backendOf(client) ?? []),
    async close() {
      await Promise.all([stream, fill, state, ddl].map((access) => access.close()));
    },
  };
}

/** What the server told of itself when it connected; the driver's types leave it out. */
const backendOf = (client: Client): number | null =>
  (client as Client & { processID?: number | null }).processID ?? null;

/** What the driver needs to connect as one access role; also used by the replication client. */
export function connectionConfig(settings: DatabaseSettings, role: AccessRole): pg.ClientConfig {
  const url = new URL(settings.urls[role]);
  const host = url.searchParams.get('host') ?? decodeURIComponent(url.hostname);
  const bare = host.replace(/^\[|\]$/g, '');
  const local = host.startsWith('/') || ['localhost', '127.0.0.1', '::1', '[::1]', ''].includes(host);
  const tls = settings.tls ?? (local ? 'disable' : 'verify-full');
  if (tls === 'disable' && !local && settings.allowPlaintext !== true)
    throw new HighwaterError(
      sessionCodes.plaintextRefused,
      'never',
      `connection to ${host} without TLS refused; credentials and rows would travel in the clear`,
      { host },
      'set HIGHWATER_DATABASE_TLS=verify-full, or allow plaintext on purpose with HIGHWATER_DATABASE_TLS=plaintext',
    );
  return {
    host: bare || 'localhost',
    port: url.port ? Number(url.port) : 5432,
    user: decodeURIComponent(url.username),
    ...(url.password ? { password: decodeURIComponent(url.password) } : {}),
    database: decodeURIComponent(url.pathname.slice(1)),
    application_name: `highwater/${settings.instance ?? defaultInstance()}/${role}`.slice(0, 63),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ssl:
      tls === 'disable'
        ? false
        : {
            rejectUnauthorized: true,
            minVersion: 'TLSv1.2',
            // whose certificate it must be; an address is no server name (RFC 6066)
            ...(isIP(bare) === 0 ? { servername: bare } : { host: bare }),
            ...(settings.tlsCa ? { ca: settings.tlsCa } : {}),
          },
  };
}

/** Sets every session setting and reads it back. */
export async function prepareSession(client: Client): Promise<void> {
  const names = Object.keys(sessionSettings);
  await client.query(
    `select pg_catalog.set_config(name, value, false) from rows from (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) as s (name, value)`,
    [names, Object.values(sessionSettings)],
  );
  const { rows } = await client.query<{ name: string; setting: string }>(
    `select name, pg_catalog.current_setting(name) as setting from pg_catalog.unnest($1::text[]) as s (name)`,
    [[...names, 'session_replication_role', 'server_encoding']],
  );
  for (const { name, setting } of rows) {
    const wanted =
      name === 'session_replication_role'
        ? 'origin'
        : name === 'server_encoding'
          ? 'UTF8'
          : (sessionSettings[name] ?? setting);
    if (settingsNotCompared.has(name) || setting === wanted) continue;
    throw new HighwaterError(
      sessionCodes.settingRefused,
      'never',
      `session setting ${name} is "${setting}" and could not be set; expected "${wanted}"`,
      { name, setting, wanted },
      name === 'session_replication_role' ? 'alter role … reset session_replication_role' : undefined,
    );
  }
}
