import type { Access } from '../session/database.js';

/** Decimal text that no two clusters share; a restored or other server has another (https://www.postgresql.org/docs/current/functions-info.html). */
export async function readSystemIdentifier(access: Access): Promise<string> {
  const [row] = await access.query<{ id: string }>(
    'reading the system identifier',
    'select system_identifier::text as id from pg_control_system()',
  );
  if (!row) throw new Error('invariant broken: pg_control_system() returned no row');
  return row.id;
}

/** The server's clock: what times stored by the server are compared with. */
export async function serverNow(access: Access): Promise<Date> {
  const [row] = await access.query<{ now: Date }>('reading the server’s clock', 'select clock_timestamp() as now');
  if (!row) throw new Error('invariant broken: clock_timestamp() returned no row');
  return row.now;
}
