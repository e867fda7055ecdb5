import { parseLsn, type FenceToken, type Lsn, type MigrationId } from '@highwater/kernel';
import type { Access } from '../session/database.js';

/** Prefixes of our logical messages. Every prefix of the database reaches every slot: readers filter. */
export const fencePrefix = 'highwater.fence';
export const bridgePrefix = 'highwater.bridge';

/**
 * Writes the token into WAL as a transaction of its own; returns the message's position. The row in highwater.fence must be
 * committed before, since the token may come back at once. Any access role may emit.
 */
export async function emitFence(access: Access, token: FenceToken, migration: MigrationId): Promise<Lsn> {
  const [row] = await access.query<{ lsn: string }>(
    `writing fence ${token}`,
    `select pg_logical_emit_message(true, $1, $2)::text as lsn`,
    [fencePrefix, JSON.stringify({ token, migration })],
  );
  if (!row) throw new Error('pg_logical_emit_message returned no row');
  return parseLsn(row.lsn);
}
