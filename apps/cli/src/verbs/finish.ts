import { dryRun, type DryRunOptions } from '../dry-run.js';
import { json } from '../output.js';
import { confirm } from '../confirm.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface FinishOptions extends CommonOptions, DryRunOptions {
  readonly after?: string;
  readonly purge?: boolean;
  readonly bridgeUnused?: boolean;
  readonly withoutRowSecurity?: boolean;
  readonly reason?: string;
  readonly yes?: boolean;
}

/** Takes down what is ours. Answers when nothing is left, which waits for a whole window without use of the bridge. */
export async function finish(session: Session, named: string | undefined, options: FinishOptions): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const { after, purge, bridgeUnused, withoutRowSecurity, reason } = options;
  const body = Object.fromEntries(
    Object.entries({ after, purge, bridgeUnused, withoutRowSecurity, reason }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  if (options.dryRun === true) {
    const request = { method: 'POST', path: `/migrations/${migration}/finish`, body } as const;
    return dryRun(session, client, migration, request, ({ step }) => step.startsWith('finish'));
  }
  if (options.purge === true)
    await confirm(session, migration, 'the history in schema highwater is removed as well', options.yes === true);
  const accepted = await client.act(migration, 'finish', body);
  session.say('accepted', `finish accepted as operation ${accepted.id}; it waits until the bridge is unused`, {
    operation: accepted.id,
  });
  const operation = await session.follow(accepted, client.operation);
  session.terminal.out(session.format === 'json' ? json(operation) : `migration "${migration}" is finished\n`);
}
