import type { Access } from '../session/database.js';

/**
 * Which of these transactions are really held somewhere: running, committing behind a slow standby, or prepared. Each holds a lock on
 * its own id until it is visible. A forged or future id is held nowhere.
 *
 * @param xids xid8 as decimal text.
 */
export async function heldSomewhere(access: Access, xids: readonly string[]): Promise<Set<string>> {
  if (xids.length === 0) return new Set();
  const rows = await access.query<{ xid: string }>(
    'reading which transactions are held',
    `select w.xid from unnest($1::text[]) as w (xid)
      where exists (select from pg_locks as l
                     where l.locktype = 'transactionid' and l.transactionid::text::int8 = mod(w.xid::numeric, 4294967296)::int8)`,
    [[...new Set(xids)]],
  );
  return new Set(rows.map((row) => row.xid));
}

/** Which of these transactions a new snapshot sees as finished: cheaper to ask for all of them than to judge thousands of parked hints again. */
export async function visibleNow(access: Access, xids: readonly string[]): Promise<Set<string>> {
  if (xids.length === 0) return new Set();
  const rows = await access.query<{ xid: string }>(
    'reading which transactions are visible',
    `select w.xid from unnest($1::text[]) as w (xid) where pg_visible_in_snapshot(w.xid::xid8, pg_current_snapshot())`,
    [[...new Set(xids)]],
  );
  return new Set(rows.map((row) => row.xid));
}
