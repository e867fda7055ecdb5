import { cancelledBy } from '../session/cancel-on-abort.js';
import type { Access } from '../session/database.js';
import { expectingSilence } from '../session/silence.js';
import type { FillTarget } from '../target.js';

/** Class of the advisory lock that keeps two workers from vacuuming one table. */
const vacuumClass = 0x68777661; // "hwva"

/**
 * Vacuums one table between chunks, so that the sweep's own dead rows are reused instead of growing it. `truncate false`: giving pages back would take an
 * ACCESS EXCLUSIVE lock; `skip_locked`: whoever works on the table (autovacuum, DDL) goes first.
 *
 * Ended by `signal`: it may take minutes, and a process that is asked to stop has seconds. The server keeps what was vacuumed until then.
 *
 * @returns false when another worker vacuums it. Throws when it was ended.
 */
export async function vacuumTable(ddl: Access, target: FillTarget, signal?: AbortSignal): Promise<boolean> {
  const { relid, ident } = target.derivation.table;
  return ddl.lasting.session('vacuuming between chunks', async (client) => {
    const { rows } = await client.query<{ mine: boolean }>('select pg_try_advisory_lock($1, $2::int8::int4) as mine', [
      vacuumClass,
      String(relid | 0),
    ]);
    if (!rows[0]?.mine) return false;
    await client.query(`set statement_timeout = '10min'`);
    await cancelledBy(ddl, client, signal, () =>
      expectingSilence(client, () => client.query(`vacuum (skip_locked, truncate false) ${ident}`)),
    );
    await client.query(`set statement_timeout = '30s'; select pg_advisory_unlock(${vacuumClass}, ${relid | 0})`);
    return true;
  });
}
