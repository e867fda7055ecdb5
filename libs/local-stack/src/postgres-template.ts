import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Guard, whyNotReady } from './guard.js';
import { temporaryFolder } from './place.js';
import type { PostgresMajor } from './postgres-binaries.js';
import { initialise, installed, unavailable } from './postgres-embedded.js';

/**
 * A data directory as initdb leaves it, which nobody starts: servers of the same version begin with a copy of it in a tenth of the time (initdb takes a
 * second of CPU). Copies have one system identifier, so it is not for what tells servers apart by that.
 */
export interface PostgresTemplate {
  readonly major: PostgresMajor;
  readonly directory: string;
  /** The superuser's. */
  readonly password: string;
}

/** Makes one; it is there until `remove`, or until this process ends whichever way. Errors: HW9701. */
export async function postgresTemplate(
  major: PostgresMajor,
): Promise<{ readonly template: PostgresTemplate; remove(): Promise<void> }> {
  const { binaries, account } = installed(major);
  const directory = temporaryFolder('template', account);
  const data = join(directory, 'data');
  const password = randomBytes(12).toString('hex');
  const guard = new Guard({
    directory,
    owner: account,
    ...initialise(binaries, directory, data, password),
    // a guard keeps its folder as long as its server runs; this one has nothing to do, and its command line names the folder for scripts/clean.mjs
    server: { command: 'tail', args: ['-f', join(directory, 'password')] },
    env: { LC_ALL: 'C' },
    signals: { fast: 'SIGTERM', immediate: 'SIGKILL' },
  });
  const begun = () => (guard.begun ? Promise.resolve() : Promise.reject(new Error('initdb has not ended')));
  const reason = await whyNotReady(guard, begun, 120_000);
  if (reason === undefined) return { template: { major, directory: data, password }, remove: () => guard.stop() };
  await guard.stop();
  throw unavailable(`no data directory for embedded PostgreSQL ${major}: ${reason}`);
}
