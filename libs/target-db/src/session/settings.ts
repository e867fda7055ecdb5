import { hostname } from 'node:os';

/**
 * The database roles of SECURITY: one login each, so that the process that writes rows cannot change a table.
 * `stream` reads WAL, `fill` writes the target, `state` owns no user data, `ddl` is a member of the tables' owner.
 */
export const accessRoles = ['stream', 'fill', 'state', 'ddl'] as const;
export type AccessRole = (typeof accessRoles)[number];

export type TlsMode = 'verify-full' | 'disable';

export interface DatabaseSettings {
  /** One URL per access role. One and the same URL for all is allowed; preflight warns. */
  readonly urls: Readonly<Record<AccessRole, string>>;
  /** Ours alone: `sslmode` in a URL never decides. Undefined: `disable` on a loopback or Unix socket, else `verify-full`. */
  readonly tls?: TlsMode;
  /** True only when the operator asked for an unencrypted connection to a host that is not this one. */
  readonly allowPlaintext?: boolean;
  /** PEM text of the certificate authority. */
  readonly tlsCa?: string;
  /** Connections per access role; small, fixed. Beside them one for each statement that takes minutes, and for each filler that has hints. */
  readonly poolMax?: Partial<Record<AccessRole, number>>;
  /** SQL functions that rules may call, as `schema.name` or `schema.name(type)`; none unless said. */
  readonly allowedFunctions?: readonly string[];
  /** Shown in pg_stat_activity as `highwater/<instance>/<access role>`. */
  readonly instance?: string;
}

/** Settings of every session of ours, set on connect and read back: a role's or database's own defaults must not decide (F67). */
export const sessionSettings: Readonly<Record<string, string>> = {
  search_path: 'pg_catalog, pg_temp',
  row_security: 'off',
  default_transaction_isolation: 'read committed',
  default_transaction_read_only: 'off',
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  // a client that freezes holds its locks no longer than this
  idle_in_transaction_session_timeout: '5s',
  client_connection_check_interval: '1s',
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  statement_timeout: '30s',
  lock_timeout: '500ms',
};

/** These the server may report in another unit or as unsupported on the transport; set, not compared. */
export const settingsNotCompared: ReadonlySet<string> = new Set([
  'tcp_keepalives_idle',
  'tcp_keepalives_interval',
  'tcp_keepalives_count',
  'client_connection_check_interval',
]);

export const defaultInstance = (): string => `${hostname()}-${process.pid}`;
