import { HighwaterError } from '@highwater/kernel';
import type { Database } from '../session/database.js';
import { databaseError, isConnectionLoss } from '../session/errors.js';
import { ddlCodes } from './codes.js';

/**
 * A statement that may take hours but never blocks a writer: CONCURRENTLY and VALIDATE take SHARE UPDATE EXCLUSIVE, which neither
 * readers nor writers queue behind. Its waits for older transactions are harmless, so the lock timeout here is a minute.
 */
export async function runLong(database: Database, doing: string, sql: string): Promise<void> {
  try {
    await database.ddl.session(doing, async (client) => {
      await client.query(
        `select set_config('lock_timeout', '60s', false), set_config('statement_timeout', '0', false)`,
      );
      await client.query(sql);
      await client.query(
        `select set_config('lock_timeout', '500ms', false), set_config('statement_timeout', '30s', false)`,
      );
    });
  } catch (error) {
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
    throw databaseError(error, doing);
  }
}
