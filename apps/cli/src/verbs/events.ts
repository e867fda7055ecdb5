import type { StoredEventView } from '@highwater/roles';
import { clean, jsonLine } from '../output.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface EventsOptions extends CommonOptions {
  readonly after: number;
  readonly follow?: boolean;
}
const askEveryMs = 1_000;

/** The history of a migration, oldest first; with `--follow` also what comes. */
export async function events(session: Session, named: string | undefined, options: EventsOptions): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  let { after } = options;
  for (;;) {
    const batch = await client.events(migration, after);
    for (const event of batch) session.terminal.out(session.format === 'json' ? jsonLine(event) : line(event));
    after = batch.at(-1)?.version ?? after;
    if (batch.length > 0) continue;
    if (options.follow !== true) return;
    await session.pause(askEveryMs);
  }
}

const line = (event: StoredEventView): string => {
  const { actor } = (event.metadata ?? {}) as { actor?: unknown };
  return `${event.at}  ${String(event.version).padStart(4)}  ${clean(event.type).padEnd(22)}  ${clean(typeof actor === 'string' ? actor : '')}\n`;
};
