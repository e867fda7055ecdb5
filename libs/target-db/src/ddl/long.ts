import { HighwaterError } from '@highwater/kernel';
import { cancelledBy } from '../session/cancel-on-abort.js';
import type { Database, Row } from '../session/database.js';
import { databaseError, isConnectionLoss } from '../session/errors.js';
import { expectingSilence } from '../session/silence.js';
import { ddlCodes } from './codes.js';

/**
 * A statement that may take hours but never blocks a writer: CONCURRENTLY and VALIDATE take SHARE UPDATE EXCLUSIVE, which neither
 * readers nor writers queue behind. Its waits for older transactions are harmless, so the lock timeout here is a minute.
 *
 * Ended by `signal`, since a process that is asked to stop has seconds: the server is told to cancel, and what an index build leaves
 * behind is invalid and built again by whoever goes on.
 */
export async function runLong<R extends Row = Row>(
  database: Database,
  doing: string,
  sql: string,
  signal?: AbortSignal,
  values?: readonly unknown[],
): Promise<R[]> {
  signal?.throwIfAborted();
  try {
    return await database.ddl.lasting.session(doing, async (client) => {
      await client.query(
        `select set_config('lock_timeout', '60s', false), set_config('statement_timeout', '0', false)`,
      );
      const { rows } = await cancelledBy(database.ddl, client, signal, () =>
        expectingSilence(client, () => client.query<R>(sql, values && [...values])),
      );
      await client.query(
        `select set_config('lock_timeout', '500ms', false), set_config('statement_timeout', '30s', false)`,
      );
      return rows;
    });
  } catch (error) {
    signal?.throwIfAborted();
    if (isConnectionLoss(error))
      throw new HighwaterError(
        ddlCodes.outcomeUnknown,
        'reconcile',
        `${doing}: connection lost, the outcome is unknown; the catalog decides`,
        {},
        undefined,
        {
          cause: error,
        },
      );
    const known = databaseError(error, doing);
    // the SQLSTATE decides for some callers what follows
    throw new HighwaterError(known.code, known.retry, known.message, known.context, known.help, { cause: error });
  }
}
