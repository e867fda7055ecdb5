import { json } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface PauseOptions extends CommonOptions {
  readonly reason?: string;
}

/** `pause` and `resume`. Answers when it is true: after `pause` no sweep write commits any more. */
export async function pauseOrResume(
  session: Session,
  verb: 'pause' | 'resume',
  named: string | undefined,
  options: PauseOptions,
): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const body = options.reason === undefined ? {} : { reason: options.reason };
  const operation = await session.follow(await client.act(migration, verb, body), client.operation);
  const done = verb === 'pause' ? 'is paused: the sweep stands, the live fill goes on' : 'goes on';
  session.terminal.out(session.format === 'json' ? json(operation) : `migration "${migration}" ${done}\n`);
}
