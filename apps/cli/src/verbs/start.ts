import { existsSync } from 'node:fs';
import { json } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

/** Begins a migration of the service; given a plan file, hands the plan in first. Answers when it has begun. */
export async function start(session: Session, what: string | undefined, options: CommonOptions): Promise<void> {
  const client = session.client(options);
  let id = what;
  if (what !== undefined && (/[./]/.test(what) || existsSync(what))) {
    const planned = await client.plan(session.readPlanFile(what));
    id = (await session.follow(planned, client.operation)).migrationId ?? undefined;
  }
  const migration = await whichMigration(client, id);
  const operation = await session.follow(await client.act(migration, 'start', {}), client.operation);
  session.terminal.out(
    session.format === 'json' ? json(operation) : `migration "${migration}" is started; highwater watch ${migration}\n`,
  );
}
