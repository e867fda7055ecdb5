import { existsSync } from 'node:fs';
import { dryRun, type DryRunOptions } from '../dry-run.js';
import { json } from '../output.js';
import { plan } from './plan.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export type StartOptions = CommonOptions & DryRunOptions;

/** Begins a migration of the service; given a plan file, hands the plan in first. Answers when it has begun. */
export async function start(session: Session, what: string | undefined, options: StartOptions): Promise<void> {
  const isFile = what !== undefined && (/[./]/.test(what) || existsSync(what));
  if (isFile && options.dryRun === true) return plan(session, what);
  const client = session.client(options);
  let id = what;
  if (isFile) {
    const planned = await client.plan(session.readPlanFile(what));
    id = (await session.follow(planned, client.operation)).migrationId ?? undefined;
  }
  const migration = await whichMigration(client, id);
  if (options.dryRun === true) {
    const request = { method: 'POST', path: `/migrations/${migration}/start`, body: {} } as const;
    return dryRun(
      session,
      client,
      migration,
      request,
      ({ step }) => !/^(cutover|finish|rollback|unenforce|index$|foreign)/.test(step),
    );
  }
  const operation = await session.follow(await client.act(migration, 'start', {}), client.operation);
  session.terminal.out(
    session.format === 'json' ? json(operation) : `migration "${migration}" is started; highwater watch ${migration}\n`,
  );
}
