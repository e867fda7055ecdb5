import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { HighwaterError, messageOf } from '@highwater/kernel';
import { codes } from './codes.js';
import { databaseUrl, once } from './postgres-query.js';
import type { PostgresServer } from './postgres.js';

/** The server of `HIGHWATER_DATABASE_URL`: we create databases of our own there, drop those, and touch nothing else. */
export async function givenPostgres(url: string): Promise<PostgresServer> {
  const { host, port, at } = place(url);
  const [facts] = await once(
    url,
    `select current_setting('server_version_num')::int / 10000 as major,
            (select rolcreatedb or rolsuper from pg_catalog.pg_roles where rolname = current_user) as may_create`,
  ).catch((error: unknown) => {
    throw new HighwaterError(
      codes.postgresUnavailable,
      'backoff',
      `could not connect to the PostgreSQL of HIGHWATER_DATABASE_URL at ${at}: ${messageOf(error)}`,
      { at },
      'check host, port, user and password, or unset HIGHWATER_DATABASE_URL to use the embedded server',
      { cause: error },
    );
  });
  if (facts?.['may_create'] !== true) {
    throw new HighwaterError(
      codes.postgresUnsuitable,
      'never',
      `the account of HIGHWATER_DATABASE_URL may not create databases at ${at}`,
      { at },
      'as an administrator: ALTER ROLE … CREATEDB',
    );
  }
  const created: string[] = [];
  return {
    how: `the PostgreSQL ${String(facts['major'])} of HIGHWATER_DATABASE_URL at ${at}: it is set`,
    host,
    port,
    superuserUrl: url,
    major: Number(facts['major']),
    owned: false,
    async createDatabase(name) {
      const own = `${name}_${randomBytes(4).toString('hex')}`;
      await once(url, `create database ${pg.escapeIdentifier(own)} template template0 encoding 'UTF8' locale 'C'`);
      created.push(own);
      return databaseUrl(url, own);
    },
    async stop() {
      for (const name of created.splice(0)) await drop(url, name);
    },
  };
}

/** A slot keeps its database from being dropped, and an active one from being dropped itself. */
async function drop(url: string, name: string): Promise<void> {
  await once(
    url,
    `select pg_catalog.pg_terminate_backend(active_pid, 5000) from pg_catalog.pg_replication_slots
      where database = $1 and active_pid is not null`,
    [name],
  );
  await once(
    url,
    `select pg_catalog.pg_drop_replication_slot(slot_name) from pg_catalog.pg_replication_slots where database = $1`,
    [name],
  );
  await once(url, `drop database if exists ${pg.escapeIdentifier(name)} with (force)`);
}

function place(url: string): { host: string; port: number; at: string } {
  if (!URL.canParse(url)) {
    throw new HighwaterError(
      codes.postgresUnavailable,
      'never',
      'HIGHWATER_DATABASE_URL is not a URL; expected postgres://user:password@host:port/database',
    );
  }
  const { hostname, port } = new URL(url);
  const at = `${hostname || 'localhost'}:${port || '5432'}`;
  return { host: hostname || 'localhost', port: Number(port || 5432), at };
}
