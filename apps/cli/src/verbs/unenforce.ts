import { confirm } from '../confirm.js';
import { dryRun, type DryRunOptions } from '../dry-run.js';
import { lockRequest, type LockOptions } from '../lock-options.js';
import { json } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface UnenforceOptions extends CommonOptions, DryRunOptions, LockOptions {
  readonly yes?: boolean;
}

/** Drops NOT NULL again; the bridge stays, so old writers go on. Answers when it is done. */
export async function unenforce(session: Session, named: string | undefined, options: UnenforceOptions): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const body = lockRequest(options);
  if (options.dryRun === true) {
    const request = { method: 'POST', path: `/migrations/${migration}/unenforce`, body } as const;
    return dryRun(session, client, migration, request, ({ step }) => step === 'unenforce');
  }
  const what = `each enforced table of "${migration}" is locked in short bounded attempts and may hold NULL again`;
  await confirm(session, migration, what, options.yes === true);
  const operation = await session.follow(await client.act(migration, 'unenforce', body), client.operation);
  session.terminal.out(
    session.format === 'json' ? json(operation) : `migration "${migration}" is bridged again, not enforced\n`,
  );
}
