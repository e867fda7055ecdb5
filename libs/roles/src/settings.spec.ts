import { describe, expect, it } from 'vitest';
import { isHighwaterError } from '@highwater/kernel';
import { parseSettings } from './settings.js';

const url = 'postgres://app:hunter2@localhost:5432/app';
const base = { HIGHWATER_DATABASE_URL: url };

function refusal(environment: Record<string, string>, readText?: (path: string) => string) {
  try {
    parseSettings(environment, readText);
  } catch (error) {
    if (isHighwaterError(error)) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

describe('settings', () => {
  it('needs no more than one database URL', () => {
    const settings = parseSettings(base);
    expect(settings.database.urls).toEqual({ stream: url, fill: url, state: url, ddl: url });
    expect(settings.kafka).toBeUndefined();
    expect(settings.roles).toEqual(['control', 'relay', 'filler', 'sweeper']);
    expect(settings.http).toEqual({ host: '127.0.0.1', port: 8484, allowedHosts: [] });
    expect(Object.isFrozen(settings.database.urls)).toBe(true);
  });

  it('takes one URL per access role, each from a file', () => {
    const files: Record<string, string> = { '/run/ddl': `${url}_ddl\n` };
    const settings = parseSettings({ ...base, HIGHWATER_DDL_URL_FILE: '/run/ddl' }, (path) => files[path] ?? '');
    expect(settings.database.urls.ddl).toBe(`${url}_ddl`);
    expect(settings.database.urls.fill).toBe(url);
  });

  it('reads Kafka with TLS, SASL and a session', () => {
    const settings = parseSettings({
      ...base,
      HIGHWATER_KAFKA_BROKERS: 'a:9092, b:9092',
      HIGHWATER_KAFKA_TLS: 'yes',
      HIGHWATER_KAFKA_SASL: 'scram-sha-512:me:pa:ss',
      HIGHWATER_KAFKA_SESSION: '1500ms',
      HIGHWATER_TOPIC_PREFIX: 'hw1',
    });
    expect(settings.kafka).toMatchObject({
      brokers: ['a:9092', 'b:9092'],
      topicPrefix: 'hw1',
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'me', password: 'pa:ss' },
    });
    expect(settings.kafkaSessionMs).toBe(1_500);
  });

  it.each([
    [
      'an unknown setting, with a suggestion',
      { ...base, HIGHWATER_KAFKA_BROKER: 'a:1' },
      'HW9501',
      /did you mean HIGHWATER_KAFKA_BROKERS/,
    ],
    ['no database', {}, 'HW9503', /HIGHWATER_DATABASE_URL/],
    ['only one of the role URLs', { HIGHWATER_DDL_URL: url }, 'HW9503', /per access role/],
    ['a URL of something else', { HIGHWATER_DATABASE_URL: 'mysql://x/y' }, 'HW9502', /postgres:\/\//],
    [
      'an unknown process role',
      { ...base, HIGHWATER_ROLES: 'control,writer' },
      'HW9502',
      /control, relay, filler, sweeper/,
    ],
    ['an address others can reach', { ...base, HIGHWATER_HTTP: '0.0.0.0:8484' }, 'HW9505', /INSECURE_DEMO/],
    ['a port that is none', { ...base, HIGHWATER_HTTP: '127.0.0.1:99999' }, 'HW9502', /host:port/],
    ['certificate checks switched off', { ...base, NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 'HW9506', /unset it/],
    ['a broker without a port', { ...base, HIGHWATER_KAFKA_BROKERS: 'kafka' }, 'HW9502', /host:port/],
    ['a value and a file', { ...base, HIGHWATER_DATABASE_URL_FILE: '/x' }, 'HW9504', /unset one/],
  ] as [string, Record<string, string>, string, RegExp][])('refuses %s', (_what, environment, code, text) => {
    const error = refusal(environment);
    expect(error.code).toBe(code);
    expect(`${error.message} ${error.help ?? ''}`).toMatch(text);
  });

  it('refuses a file that is not there, by name', () => {
    const error = refusal({ HIGHWATER_DATABASE_URL_FILE: '/nowhere/url' });
    expect(error.message).toContain('HIGHWATER_DATABASE_URL_FILE cannot be read (ENOENT): /nowhere/url');
  });

  it('never repeats a secret', () => {
    const error = refusal({ HIGHWATER_DATABASE_URL: 'hunter2' });
    expect(JSON.stringify([error.message, error.context, error.help])).not.toContain('hunter2');
  });

  it('listens elsewhere only when told that this is a demo', () => {
    expect(parseSettings({ ...base, HIGHWATER_HTTP: '0.0.0.0:8080', HIGHWATER_INSECURE_DEMO: 'yes' }).http.host).toBe(
      '0.0.0.0',
    );
    expect(parseSettings({ ...base, HIGHWATER_HTTP: '[::1]:0' }).http).toMatchObject({ host: '::1', port: 0 });
  });
});
