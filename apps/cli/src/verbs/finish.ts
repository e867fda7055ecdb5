import { parseSettings, purge, purgeSql } from '@highwater/roles';
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

/** Takes down what is ours on the user's tables. With `--purge` removes schema highwater itself, once every migration is finished. Answers when nothing is left, which waits for a whole window without use of the bridge. */
export async function finish(session: Session, named: string | undefined, options: FinishOptions): Promise<void> {
  if (options.purge === true) return purgeHistory(session, options);
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const { after, bridgeUnused, withoutRowSecurity, reason } = options;
  const body = Object.fromEntries(
    Object.entries({ after, bridgeUnused, withoutRowSecurity, reason }).filter(([, value]) => value !== undefined),
  );
  if (options.dryRun === true) {
    const request = { method: 'POST', path: `/migrations/${migration}/finish`, body } as const;
    return dryRun(session, client, migration, request, ({ step }) => step.startsWith('finish'));
  }
  const accepted = await client.act(migration, 'finish', body);
  session.say('accepted', `finish accepted as operation ${accepted.id}; it waits until the bridge is unused`, {
    operation: accepted.id,
  });
  const operation = await session.follow(accepted, client.operation);
  session.terminal.out(session.format === 'json' ? json(operation) : `migration "${migration}" is finished\n`);
}

/** On the database, not over the service: its own tables go away. */
async function purgeHistory(session: Session, options: FinishOptions): Promise<void> {
  const settings = parseSettings(session.environment);
  if (options.dryRun === true)
    return session.terminal.out(
      session.format === 'json'
        ? json({ dryRun: true, sql: [purgeSql] })
        : `dry run, nothing was changed\n  would run: ${purgeSql}\n`,
    );
  const what = 'schema highwater is removed from this database with the history, journal and lists of every migration';
  await confirm(session, 'highwater', what, options.yes === true);
  await purge(settings);
  session.terminal.out(session.format === 'json' ? json({ purged: true }) : 'schema highwater is removed\n');
}
