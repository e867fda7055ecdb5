import pg from 'pg';
import { connectionConfig, prepareSession } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { boundSilence, sayGoodbye } from '../session/silence.js';
import type { DatabaseSettings } from '../session/settings.js';

/** Class of the advisory lock under which one control process per database acts; the object is the purpose. */
const leaderClass = 0x68776c64; // "hwld"

export type LeaderPurpose = 'control' | 'event-publisher';
const objects: Readonly<Record<LeaderPurpose, number>> = { control: 1, 'event-publisher': 2 };

/** Sessions that a process keeps to lead, or asks with. */
export const leaderSessions = Object.keys(objects).length;

/** A leader that says nothing for so long, because it is frozen (SIGSTOP, a paused virtual machine), loses the lead. */
const silenceMsMax = 15_000;

/**
 * Leadership by a session lock on a connection of its own: it ends with the session, so a killed process leaves no lock behind, and the server
 * ends the session of one that is frozen (`idle_session_timeout`), since it no longer says that it is there.
 * `onLost` is called once at most. It only avoids double work: every act is safe when two do it (expected versions, catalog-driven steps).
 *
 * @returns undefined when another process leads.
 */
export async function tryLead(
  settings: DatabaseSettings,
  purpose: LeaderPurpose,
  onLost: (error: Error) => void,
  silentForMs = silenceMsMax,
): Promise<{ release(): Promise<void> } | undefined> {
  const client = new pg.Client({ ...connectionConfig(settings, 'state'), connectionTimeoutMillis: 10_000 });
  /** Given back, or lost and told. */
  let over = false;
  let heartbeat: NodeJS.Timeout | undefined;
  // once: whoever asks anew has another lead by the time the end of this session is told too, and would give that one up for lost
  const lose = (error: Error): void => {
    if (!over) onLost(error);
    over = true;
  };
  client.on('error', lose);
  try {
    await client.connect();
    // the server has ended the session by then: whoever hears nothing must not go on believing that it leads, nor wait to begin
    boundSilence(client, silentForMs);
    await prepareSession(client);
    const { rows } = await client.query<{ led: boolean }>('select pg_catalog.pg_try_advisory_lock($1, $2) as led', [
      leaderClass,
      objects[purpose],
    ]);
    if (rows[0]?.led) {
      client.on('end', () => {
        clearInterval(heartbeat);
        lose(new Error('the session that held the lead ended'));
      });
      await client.query(`set idle_session_timeout = ${silentForMs}`);
      let unanswered = false;
      heartbeat = setInterval(() => {
        if (unanswered) return;
        unanswered = true;
        // a lost connection is told by `error` and `end`
        client.query('select').then(
          () => (unanswered = false),
          () => undefined,
        );
      }, silentForMs / 3).unref();
      return {
        async release() {
          over = true;
          clearInterval(heartbeat);
          await sayGoodbye(client);
        },
      };
    }
  } catch (error) {
    over = true;
    await sayGoodbye(client);
    throw databaseError(error, `asking for the lead (${purpose})`);
  }
  over = true;
  await sayGoodbye(client);
  return undefined;
}
