import { HighwaterError } from '@highwater/kernel';
import type { Client, Database } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { otherSessions, type OtherSession } from '../session/other-sessions.js';
import { installCodes } from './codes.js';

export const purgeSql = 'drop schema if exists highwater cascade';

/**
 * Drops schema `highwater` with the history in it: `finish --purge`. Throws HW2003 while a migration is not finished, whose objects nobody
 * would know any more, or is being rolled back, or while a process of ours is connected, which would go on without its tables.
 */
export async function purgeSchema(database: Database): Promise<void> {
  try {
    await database.ddl.transaction('purging schema highwater', async (client) => {
      await refuseInUse(client, database);
      await client.query(purgeSql);
    });
  } catch (error) {
    throw databaseError(error, 'purging schema highwater');
  }
}

async function refuseInUse(client: Client, { backends }: Database): Promise<void> {
  const there = await client.query<{ there: boolean }>(
    `select to_regclass('highwater.migration') is not null as there`,
  );
  if (there.rows[0]?.there !== true) return;
  const live = await client.query<{ id: string }>(
    `select id from highwater.migration where phase <> 'finished' order by id`,
  );
  // a rollback is legal after `finish` too, and what it still needs stands here
  const undone = await client.query<{ id: string }>(
    `select distinct migration_id as id from highwater.operation
      where verb = 'rollback' and status in ('accepted', 'running') order by 1`,
  );
  const atWork = await otherSessions(client, backends());
  const refuse = (what: string, help: string): HighwaterError =>
    new HighwaterError(installCodes.purgeInUse, 'never', `schema highwater is not removed: ${what}`, {}, help);
  const [first] = live.rows;
  if (first)
    throw refuse(
      `not finished: ${live.rows.map(({ id }) => id).join(', ')}`,
      `highwater finish ${first.id}, or highwater rollback ${first.id}`,
    );
  const [half] = undone.rows;
  if (half)
    throw refuse(
      `being rolled back: ${undone.rows.map(({ id }) => id).join(', ')}`,
      `let the service run until it is done: highwater status ${half.id}`,
    );
  if (atWork.length > 0) throw refuse(`at work: ${sessionsText(atWork)}`, 'stop the service first');
}

const namedMax = 3;

function sessionsText(sessions: readonly OtherSession[]): string {
  const named = sessions
    .slice(0, namedMax)
    .map(({ pid, application, user }) => `"${application}" (pid ${pid}, user ${user})`);
  const more = sessions.length - named.length;
  return more === 0 ? named.join(', ') : `${named.join(', ')} and ${more} more`;
}
