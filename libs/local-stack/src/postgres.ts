import { embeddedPostgres } from './postgres-embedded.js';
import type { PostgresBinaries, PostgresMajor } from './postgres-binaries.js';
import type { PostgresTemplate } from './postgres-template.js';
import { givenPostgres } from './postgres-given.js';

export interface PostgresServer {
  /** Which server was taken and why, one sentence for the operator. */
  readonly how: string;
  readonly host: string;
  readonly port: number;
  /** Superuser (or the account given), database `postgres` (or the one given). */
  readonly superuserUrl: string;
  /** 15, 18, … */
  readonly major: number;
  /** Whether we started it; a server we were given only ever gets databases of our own. */
  readonly owned: boolean;
  readonly dataDirectory?: string;
  /**
   * Creates a database and returns its URL with the same account. On a given server the name gets a random ending, so that
   * nothing that was there is ever met, and `stop()` drops it.
   */
  createDatabase(name: string): Promise<string>;
  /** Owned servers only. `immediate` is a crash: no checkpoint, recovery at the start. Returns when it answers again. */
  restart?(mode: 'fast' | 'immediate'): Promise<void>;
  /** Owned: the server ends and its folder goes. Given: our databases are dropped. Harmless twice. */
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** The embedded major; default `HIGHWATER_PG_MAJOR` (15 or 18), else 18. A given server is what it is. */
  readonly major?: PostgresMajor;
  /** Other binaries than those of npm: a distribution's, for figures that are published. */
  readonly binaries?: PostgresBinaries;
  /** A copy of this instead of an initdb of its own; of the same version. Owned servers only. */
  readonly template?: PostgresTemplate;
  /** Server settings above ours, for example `{ fsync: 'off' }`. Owned servers only. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Each line the server logs. */
  readonly log?: (line: string) => void;
}

/**
 * Finds or starts a PostgreSQL (DESIGN.md section 13): `HIGHWATER_DATABASE_URL`, else the embedded one.
 * Errors: HW9701 (not reachable, not startable), HW9703 (the given server does not let us create databases).
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const given = process.env['HIGHWATER_DATABASE_URL'];
  return given ? await givenPostgres(given) : await embeddedPostgres(options);
}
