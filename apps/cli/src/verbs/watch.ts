import { isHighwaterError } from '@highwater/kernel';
import { Reporter } from '../report.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

const askEveryMs = 1_000;

/** Status lines until the migration is finished. */
export async function watch(session: Session, named: string | undefined, options: CommonOptions): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const reporter = new Reporter(session);
  for (;;) {
    try {
      const status = await client.status(migration);
      reporter.offer(status);
      if (status.phase === 'finished') return;
    } catch (error) {
      // planned a moment ago and not looked at yet
      if (!isHighwaterError(error) || error.code !== 'HW6016') throw error;
    }
    await session.pause(askEveryMs);
  }
}
