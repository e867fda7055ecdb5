import type { Brand } from './brand.js';
import { HighwaterError } from './errors.js';

/** The plan's `migration:` name; appears in URLs, topics and logs. */
export type MigrationId = Brand<string, 'MigrationId'>;
/** One life of slot + publication + topics; starts at 1, a break starts the next. */
export type Epoch = Brand<number, 'Epoch'>;
/** Token written into WAL that must come back through every partition before a decision counts. */
export type FenceToken = Brand<string, 'FenceToken'>;
/** Number that refuses a worker whose lease is over. Decimal text of an int8. */
export type FencingToken = Brand<string, 'FencingToken'>;
/** sha256 of the canonical plan, hex. */
export type PlanHash = Brand<string, 'PlanHash'>;

/** Lower-case letters, digits and hyphens, 1 to 63: safe in a URL, a topic and a file name. */
const migrationIdPattern = /^[a-z][a-z0-9-]{0,61}[a-z0-9]$|^[a-z]$/;

export const isMigrationId = (text: string): text is MigrationId => migrationIdPattern.test(text);

export function migrationId(text: string): MigrationId {
  if (isMigrationId(text)) return text;
  throw new HighwaterError(
    'HW1003',
    'never',
    `migration name "${text}" is not usable; expected lower-case letters, digits and hyphens, starting with a letter, at most 63`,
    { found: text },
  );
}

export const epoch = (n: number): Epoch => n as Epoch;
