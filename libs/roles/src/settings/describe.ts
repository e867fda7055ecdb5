import { readFileSync } from 'node:fs';
import { readEnvironment, settingNames, type Environment, type ReadText, type SettingName } from './environment.js';

export interface DescribedSetting {
  /** As an environment variable. */
  readonly name: string;
  /** Secrets are masked; null: not set and without a default. */
  readonly value: string | null;
  /** `environment`, `file <path>`, `default`, or the setting it falls back to. */
  readonly origin: string;
}

const defaults: Partial<Record<SettingName, string>> = {
  DATABASE_TLS: 'verify-full, on loopback disable',
  TOPIC_PREFIX: 'highwater',
  ROLES: 'all',
  HTTP: '127.0.0.1:8484',
  INSECURE_DEMO: 'no',
  ALLOW_ASSERTIONS: 'no',
  LOG_LEVEL: 'info',
  KAFKA_TLS: 'no',
};
const fallsBack: readonly SettingName[] = ['STREAM_URL', 'FILL_URL', 'STATE_URL', 'DDL_URL'];

/** Every setting with its value and where it comes from; no secret is shown (UX-30). */
export function describeSettings(
  environment: Environment,
  readText: ReadText = (path) => readFileSync(path, 'utf8'),
): readonly DescribedSetting[] {
  const present = readEnvironment(environment, readText);
  return settingNames.map((name): DescribedSetting => {
    const variable = `HIGHWATER_${name}`;
    const value = present.get(name);
    const path = environment[`${variable}_FILE`];
    if (value !== undefined)
      return { name: variable, value: masked(name, value), origin: path ? `file ${path}` : 'environment' };
    const common = fallsBack.includes(name) ? present.get('DATABASE_URL') : undefined;
    if (common !== undefined) return { name: variable, value: masked(name, common), origin: 'HIGHWATER_DATABASE_URL' };
    return {
      name: variable,
      value: defaults[name] ?? null,
      origin: defaults[name] === undefined ? 'not set' : 'default',
    };
  });
}

function masked(name: SettingName, value: string): string {
  if (name.endsWith('_URL')) return maskedUrl(value);
  if (name === 'KAFKA_SASL') return value.split(':').slice(0, 2).concat('***').join(':');
  if (value.includes('-----BEGIN')) return `PEM text of ${value.length} characters`;
  return value;
}

/** What cannot be read as a URL is not shown at all: nobody knows which part of it is the password. */
function maskedUrl(text: string): string {
  if (!URL.canParse(text)) return '***';
  const url = new URL(text);
  if (url.password !== '') url.password = '***';
  for (const name of url.searchParams.keys())
    if (/pass|secret|key|token/i.test(name)) url.searchParams.set(name, '***');
  return url.toString();
}
