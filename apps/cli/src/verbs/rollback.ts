import { confirm } from '../confirm.js';
import { dryRun, type DryRunOptions } from '../dry-run.js';
import { lockRequest, type LockOptions } from '../lock-options.js';
import { clean, json } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface RollbackOptions extends CommonOptions, DryRunOptions, LockOptions {
  readonly yes?: boolean;
}

interface Outcome {
  readonly undone?: readonly string[];
  readonly kept?: readonly string[];
  readonly leftovers?: readonly string[];
}

/** Takes back what the migration made. Answers when it is done, with what stays and why. */
export async function rollback(session: Session, named: string | undefined, options: RollbackOptions): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const body = lockRequest(options);
  if (options.dryRun === true) {
    const request = { method: 'POST', path: `/migrations/${migration}/rollback`, body } as const;
    return dryRun(session, client, migration, request, await client.rollbackSteps(migration));
  }
  const { backup } = await client.status(migration);
  const saved = backup
    ? `the backup on record is ${backup.reference} (${backup.recordedAt})`
    : 'no backup is on record';
  const what = `everything that "${migration}" made is taken back, and what its journal says it wrote; ${saved}`;
  await confirm(session, migration, what, options.yes === true);
  const operation = await session.follow(await client.act(migration, 'rollback', body), client.operation);
  if (session.format === 'json') return session.terminal.out(json(operation));
  const { undone = [], kept = [], leftovers = [] } = operation.result as Outcome;
  const list = (name: string, lines: readonly string[]): string =>
    lines.map((line) => `  ${name.padEnd(10)} ${clean(line)}\n`).join('');
  session.terminal.out(
    `migration "${migration}" is rolled back\n${list('undone', undone)}${list('kept', kept)}${list('leftover', leftovers)}`,
  );
}
