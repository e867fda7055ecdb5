import { HighwaterError } from '@highwater/kernel';
import { suggest } from '@highwater/plan';
import { cliCodes } from '../codes.js';
import { dryRun, type DryRunOptions } from '../dry-run.js';
import { json } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface SetOptions extends CommonOptions, DryRunOptions {
  readonly reason?: string;
}

/** Named as in the plan; durations carry their unit. */
export const limitNames = [
  'lockBudget',
  'rowBudget',
  'lockAttempts',
  'sweepWorkers',
  'replicaLag',
  'chunkRowsMax',
  'sweepRowsPerSecondMax',
] as const;

/** Changes limits of a running migration: `set [migration] rowBudget=100ms sweepWorkers=4`. Effective with the next chunk or batch. */
export async function set(session: Session, what: readonly string[], options: SetOptions): Promise<void> {
  const [first, ...others] = what;
  const named = first?.includes('=') === true ? undefined : first;
  const limits = limitsOf(named === undefined ? what : others);
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const body = { ...limits, ...(options.reason === undefined ? {} : { reason: options.reason }) };
  if (options.dryRun === true)
    return dryRun(session, client, migration, { method: 'PATCH', path: `/migrations/${migration}/limits`, body });
  const operation = await session.follow(await client.limits(migration, body), client.operation);
  const text = Object.entries(limits).map(([name, value]) => `${name}=${value}`);
  session.terminal.out(
    session.format === 'json' ? json(operation) : `migration "${migration}" has ${text.join(' ')} from now on\n`,
  );
}

/** What the API judges is left to it; what a shell may have made of the words is judged here. */
export function limitsOf(words: readonly string[]): Readonly<Record<string, string | number>> {
  if (words.length === 0)
    throw usage('no limit given', `for example rowBudget=100ms; limits: ${limitNames.join(', ')}`);
  return Object.fromEntries(
    words.map((word) => {
      const [, name = '', value = ''] = /^([^=]*)=(.*)$/.exec(word) ?? [];
      if (name === '' || value === '') throw usage(`"${word}" is no assignment`, 'expected name=value');
      if (!(limitNames as readonly string[]).includes(name)) {
        const near = suggest(name, limitNames);
        throw usage(
          `there is no limit "${name}"`,
          near === undefined ? `limits: ${limitNames.join(', ')}` : `did you mean ${near}?`,
        );
      }
      return [name, /^\d{1,15}$/.test(value) ? Number(value) : value];
    }),
  );
}

const usage = (message: string, help: string): HighwaterError =>
  new HighwaterError(cliCodes.usage, 'never', message, {}, help);
