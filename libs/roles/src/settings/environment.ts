import { readFileSync } from 'node:fs';
import { HighwaterError } from '@highwater/kernel';
import { suggest } from '@highwater/plan';
import { settingsCodes } from './codes.js';

export type Environment = Readonly<Record<string, string | undefined>>;
export type ReadText = (path: string) => string;

/** Every setting there is. Each also as `…_FILE`, the path of a file that holds the value. */
export const settingNames = [
  'DATABASE_URL',
  'STREAM_URL',
  'FILL_URL',
  'STATE_URL',
  'DDL_URL',
  'DATABASE_TLS',
  'DATABASE_TLS_CA',
  'KAFKA_BROKERS',
  'KAFKA_TLS',
  'KAFKA_SASL',
  'KAFKA_SESSION',
  'TOPIC_PREFIX',
  'ROLES',
  'HTTP',
  'INSECURE_DEMO',
  'ALLOWED_HOSTS',
  'ALLOWED_FUNCTIONS',
  'ALLOW_ASSERTIONS',
  'INSTANCE',
  'LOG_LEVEL',
  'FAILPOINTS',
] as const;
export type SettingName = (typeof settingNames)[number];

/** Read by the development stack alone; a service started by it inherits them. */
const ofTheLocalStack = ['HIGHWATER_PG_MAJOR'];

/** The settings that are present, by name without prefix. An empty variable counts as absent, as compose files leave them. */
export function readEnvironment(
  environment: Environment,
  readText: ReadText = (path) => readFileSync(path, 'utf8'),
): ReadonlyMap<SettingName, string> {
  const known = new Set<string>(settingNames.flatMap((name) => [`HIGHWATER_${name}`, `HIGHWATER_${name}_FILE`]));
  for (const name of Object.keys(environment)) {
    if (name.startsWith('HIGHWATER_') && !known.has(name) && !ofTheLocalStack.includes(name))
      throw unknown(name, known);
  }
  const found = new Map<SettingName, string>();
  for (const name of settingNames) {
    const value = valueOf(name, environment, readText);
    if (value !== undefined) found.set(name, value);
  }
  return found;
}

function valueOf(name: SettingName, environment: Environment, readText: ReadText): string | undefined {
  const direct = environment[`HIGHWATER_${name}`] || undefined;
  const path = environment[`HIGHWATER_${name}_FILE`] || undefined;
  if (path === undefined) return direct;
  if (direct !== undefined) {
    throw new HighwaterError(
      settingsCodes.file,
      'never',
      `setting HIGHWATER_${name} is given twice: by itself and as HIGHWATER_${name}_FILE`,
      { name },
      'unset one of the two',
    );
  }
  try {
    return readText(path).trim();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new HighwaterError(
      settingsCodes.file,
      'never',
      `file of setting HIGHWATER_${name}_FILE cannot be read (${code}): ${path}`,
      { name, path },
      'check the path and that this user may read it',
    );
  }
}

function unknown(name: string, known: ReadonlySet<string>): HighwaterError {
  const near = suggest(name, [...known]);
  return new HighwaterError(
    settingsCodes.unknown,
    'never',
    `environment variable ${name} is no setting of highwater`,
    { name },
    near === undefined
      ? `settings: ${settingNames.map((one) => `HIGHWATER_${one}`).join(' ')}`
      : `did you mean ${near}?`,
  );
}
