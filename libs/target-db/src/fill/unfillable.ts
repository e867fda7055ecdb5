import type { Access, Client } from '../session/database.js';
import type { FillTarget } from '../target.js';
import { keyLiteral } from './key-text.js';
import { keyTuple } from './statements.js';
import type { UnfilledRow } from './write-rows.js';

/** Lists rows with their reason, in the fill's own transaction: one open entry per row. */
export async function listUnfillable(client: Client, target: FillTarget, rows: readonly UnfilledRow[]): Promise<void> {
  if (rows.length === 0) return;
  await client.query(
    `insert into highwater.unfillable_row as u (migration_id, target_no, key, reason, sqlstate, constraint_name)
     select $1, $2, n.key::text[], n.reason, n.sqlstate, n.constraint_name
       from rows from (unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::text[])) as n (key, reason, sqlstate, constraint_name)
      order by n.key
     on conflict (migration_id, target_no, key) do update
        set reason = excluded.reason, sqlstate = excluded.sqlstate, constraint_name = excluded.constraint_name,
            attempts = u.attempts + 1, last_seen = clock_timestamp(), closed_at = null`,
    [
      target.migrationId,
      target.targetNo,
      rows.map((row) => keyLiteral(row.key)),
      rows.map((row) => row.reason),
      rows.map((row) => row.sqlstate),
      rows.map((row) => row.constraint),
    ],
  );
}

/** Entries looked at per statement. */
const reconcileRows = 2_000;

/**
 * Closes the entries of rows that have a value now or are gone, whoever did it: fill, application, repair or DELETE. Called after each pass.
 *
 * @returns entries closed.
 */
export async function closeUnfillable(fill: Access, target: FillTarget): Promise<number> {
  const { key, table, target: column } = target.derivation;
  const casts = key.map((k, i) => `u.key[${i + 1}]::${k.type}`);
  const same = key.length === 1 ? String(casts[0]) : `(${casts.join(', ')})`;
  let closed = 0;
  for (let after: string | null = null; ;) {
    const rows: { closed: string; last: string | null }[] = await fill.query(
      'closing the entries of unfillable rows that were filled or are gone',
      `with entry as materialized (
         select u.key from highwater.unfillable_row as u
          where u.migration_id = $1 and u.target_no = $2 and u.closed_at is null and ($3::text is null or u.key > $3::text[])
          order by u.key limit ${reconcileRows}
       ), done as (
         update highwater.unfillable_row as e set closed_at = clock_timestamp()
           from (select u.key from entry as u
                  where not exists (select from ${table.ident} as r where ${keyTuple(target, 'r')} = ${same} and r.${column.ident} is null)
                 offset 0) as d
          where e.migration_id = $1 and e.target_no = $2 and e.key = d.key returning 1
       )
       select (select count(*) from done)::text as closed, (select e.key::text from entry as e order by e.key desc limit 1) as last`,
      [target.migrationId, target.targetNo, after],
    );
    closed += Number(rows[0]?.closed ?? 0);
    after = rows[0]?.last ?? null;
    if (after === null) return closed;
  }
}

/** Keys of open entries in the order of their text, for a retry: the next `limit` after one. */
export async function openUnfillableKeys(
  state: Access,
  target: FillTarget,
  page: { readonly reason: string | null; readonly after: readonly string[] | null; readonly limit: number },
): Promise<string[][]> {
  const rows = await state.query<{ key: string[] }>(
    'reading unfillable rows',
    `select key from highwater.unfillable_row
      where migration_id = $1 and target_no = $2 and closed_at is null and ($3::text is null or reason = $3)
        and ($4::text[] is null or key > $4::text[])
      order by key limit $5`,
    [target.migrationId, target.targetNo, page.reason, page.after, page.limit],
  );
  return rows.map((row) => row.key);
}
