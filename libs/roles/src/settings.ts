import { HighwaterError, parseDurationMs } from '@highwater/kernel';
import type { KafkaSettings } from '@highwater/messaging';
import type { AccessRole, DatabaseSettings } from '@highwater/target-db';
import { failpointNames, logLevels, parseFailpoints, type ArmedFailpoint, type LogLevel } from '@highwater/telemetry';
import { processRoles, type ProcessRole } from './engine-port.js';
import { settingsCodes } from './settings/codes.js';
import { readEnvironment, type Environment, type ReadText, type SettingName } from './settings/environment.js';

export { settingNames, type Environment } from './settings/environment.js';

export interface HttpSettings {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Host names a request may carry besides the loopback ones (SECURITY S06). */
  readonly allowedHosts: readonly string[];
}

/** Everything a process is configured with; made once at its start and frozen. */
export interface Settings {
  readonly database: DatabaseSettings;
  /** Undefined: only plans with `stream: none` can run. */
  readonly kafka: KafkaSettings | undefined;
  /** First part of every topic and consumer group of ours. */
  readonly topicPrefix: string;
  /** Of the fillers' consumer group; undefined: the default. */
  readonly kafkaSessionMs: number | undefined;
  readonly roles: readonly ProcessRole[];
  readonly http: HttpSettings;
  readonly logLevel: LogLevel;
  /** Plans that come over the API may carry assertions. */
  readonly allowAssertions?: boolean;
  /** For tests: where this process dies or freezes. */
  readonly failpoints?: readonly ArmedFailpoint[];
}

type Present = ReadonlyMap<SettingName, string>;

export const httpDefault = '127.0.0.1:8484';
const yes = new Set(['yes', 'true', '1']);
const no = new Set(['no', 'false', '0']);
const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Settings of this environment. Throws HW95xx; a value is never repeated in an error, it may be a secret. */
export function parseSettings(environment: Environment, readText?: ReadText): Settings {
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    throw new HighwaterError(
      settingsCodes.tlsSwitchedOff,
      'never',
      'NODE_TLS_REJECT_UNAUTHORIZED=0 is set; refused, it switches off every certificate check of the process',
      {},
      'unset it and give the authority by HIGHWATER_DATABASE_TLS_CA or HIGHWATER_KAFKA_TLS',
    );
  }
  const present = readEnvironment(environment, readText);
  const topicPrefix = present.get('TOPIC_PREFIX') ?? 'highwater';
  if (!/^[a-zA-Z0-9._-]{1,80}$/.test(topicPrefix))
    throw bad('TOPIC_PREFIX', 'letters, digits, ".", "_" and "-", at most 80');
  return deepFreeze({
    database: database(present),
    kafka: kafka(present, topicPrefix),
    topicPrefix,
    kafkaSessionMs: duration(present, 'KAFKA_SESSION'),
    roles: roles(present),
    http: parseHttp(present),
    allowAssertions: flag(present, 'ALLOW_ASSERTIONS'),
    logLevel: oneOf('LOG_LEVEL', present.get('LOG_LEVEL') ?? 'info', logLevels),
    failpoints: failpoints(present, environment),
  });
}

function failpoints(present: Present, environment: Environment): readonly ArmedFailpoint[] {
  const text = present.get('FAILPOINTS');
  if (text === undefined) return [];
  if (environment['NODE_ENV'] === 'production') {
    throw new HighwaterError(
      settingsCodes.failpointsRefused,
      'never',
      'HIGHWATER_FAILPOINTS is set and NODE_ENV is production; refused, it makes processes die on purpose',
      {},
      'unset HIGHWATER_FAILPOINTS',
    );
  }
  const parsed = parseFailpoints(text);
  if (!parsed)
    throw bad(
      'FAILPOINTS',
      `name=kill or name=pause, @n after it for the n-th time; names: ${failpointNames.join(' ')}`,
    );
  return parsed;
}

function database(present: Present): DatabaseSettings {
  const common = present.get('DATABASE_URL');
  const url = (role: AccessRole, name: SettingName): string => {
    const text = present.get(name) ?? common;
    if (text === undefined) {
      throw new HighwaterError(
        settingsCodes.missing,
        'never',
        `no database given for access role ${role}: neither HIGHWATER_${name} nor HIGHWATER_DATABASE_URL is set`,
        { role },
        'set HIGHWATER_DATABASE_URL=postgres://user@host:5432/database, or one URL per access role',
      );
    }
    const parsed = URL.canParse(text) ? new URL(text) : undefined;
    if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol) || parsed.pathname.length < 2)
      throw bad(present.has(name) ? name : 'DATABASE_URL', 'a URL like postgres://user@host:5432/database');
    return text;
  };
  const tls = present.get('DATABASE_TLS');
  const mode =
    tls === undefined ? undefined : oneOf('DATABASE_TLS', tls, ['verify-full', 'disable', 'plaintext'] as const);
  const ca = present.get('DATABASE_TLS_CA');
  const instance = present.get('INSTANCE');
  const allowedFunctions = list(present, 'ALLOWED_FUNCTIONS');
  if (instance !== undefined && !/^[\w.-]{1,40}$/.test(instance))
    throw bad('INSTANCE', 'letters, digits, ".", "_" and "-", at most 40');
  return {
    urls: {
      stream: url('stream', 'STREAM_URL'),
      fill: url('fill', 'FILL_URL'),
      state: url('state', 'STATE_URL'),
      ddl: url('ddl', 'DDL_URL'),
    },
    ...(mode === undefined ? {} : { tls: mode === 'plaintext' ? 'disable' : mode }),
    ...(mode === 'plaintext' ? { allowPlaintext: true } : {}),
    ...(ca === undefined ? {} : { tlsCa: ca }),
    ...(instance === undefined ? {} : { instance }),
    ...(allowedFunctions.length === 0 ? {} : { allowedFunctions }),
  };
}

function kafka(present: Present, topicPrefix: string): KafkaSettings | undefined {
  const brokers = list(present, 'KAFKA_BROKERS');
  if (brokers.length === 0) return undefined;
  if (!brokers.every((broker) => /^(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}$/.test(broker)))
    throw bad('KAFKA_BROKERS', 'host:port, several separated by commas');
  const tls = present.get('KAFKA_TLS');
  const sasl = present.get('KAFKA_SASL');
  return {
    brokers,
    clientId: `highwater-${present.get('INSTANCE') ?? process.pid}`,
    topicPrefix,
    ...(tls === undefined || no.has(tls) ? {} : { ssl: kafkaTls(tls) }),
    ...(sasl === undefined ? {} : { sasl: kafkaSasl(sasl) }),
  };
}

function kafkaTls(text: string): true | { readonly ca: string } {
  if (yes.has(text)) return true;
  if (text.includes('-----BEGIN CERTIFICATE-----')) return { ca: text };
  throw bad('KAFKA_TLS', 'yes, no, or the PEM text of the authority (by HIGHWATER_KAFKA_TLS_FILE)');
}

/** `scram-sha-512:user:password`; the password may hold colons. */
function kafkaSasl(text: string): NonNullable<KafkaSettings['sasl']> {
  const [mechanism, username, ...rest] = text.split(':');
  const password = rest.join(':');
  if (!username || password === '') throw bad('KAFKA_SASL', 'mechanism:user:password');
  return {
    mechanism: oneOf('KAFKA_SASL', mechanism ?? '', ['plain', 'scram-sha-256', 'scram-sha-512'] as const),
    username,
    password,
  };
}

function roles(present: Present): readonly ProcessRole[] {
  const named = list(present, 'ROLES');
  if (named.length === 0 || (named.length === 1 && named[0] === 'all')) return processRoles;
  return [...new Set(named.map((name) => oneOf('ROLES', name, processRoles)))];
}

function parseHttp(present: Present): HttpSettings {
  const text = (present.get('HTTP') ?? httpDefault).replace(/^http:\/\//, '').replace(/\/$/, '');
  const match = /^(?:(\[[^\]]+\]|[^:]+):)?(\d{1,5})$/.exec(text);
  const host = (match?.[1] ?? '127.0.0.1').replace(/^\[|\]$/g, '');
  const port = Number(match?.[2]);
  if (!match || port > 65_535) throw bad('HTTP', 'host:port, for example 127.0.0.1:8484');
  const insecure = flag(present, 'INSECURE_DEMO');
  if (!loopback.has(host) && !insecure) {
    throw new HighwaterError(
      settingsCodes.notLoopback,
      'never',
      `HIGHWATER_HTTP asks to listen on ${host}, which other machines can reach; refused while there are no accounts`,
      { host },
      'listen on 127.0.0.1, or set HIGHWATER_INSECURE_DEMO=yes where nobody else can reach the port',
    );
  }
  return { host, port, allowedHosts: list(present, 'ALLOWED_HOSTS').map((one) => one.toLowerCase()) };
}

const list = (present: Present, name: SettingName): readonly string[] =>
  (present.get(name) ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');

function duration(present: Present, name: SettingName): number | undefined {
  const text = present.get(name);
  if (text === undefined) return undefined;
  const ms = parseDurationMs(text);
  if (ms === undefined || ms < 1_000) throw bad(name, 'a duration with a unit of at least 1s, for example 10s');
  return ms;
}

function flag(present: Present, name: SettingName): boolean {
  const text = (present.get(name) ?? 'no').toLowerCase();
  if (!yes.has(text) && !no.has(text)) throw bad(name, 'yes or no');
  return yes.has(text);
}

function oneOf<T extends string>(name: SettingName, text: string, allowed: readonly T[]): T {
  const found = allowed.find((one) => one === text.toLowerCase());
  if (found === undefined) throw bad(name, allowed.join(', '));
  return found;
}

const bad = (name: SettingName, expected: string): HighwaterError =>
  new HighwaterError(
    settingsCodes.badValue,
    'never',
    `setting HIGHWATER_${name} has a value that cannot be used; expected ${expected}`,
    { name, expected },
  );

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value))
    if (typeof inner === 'object' && inner !== null) deepFreeze(inner as object);
  return Object.freeze(value);
}
