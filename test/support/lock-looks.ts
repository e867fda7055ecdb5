import type pg from 'pg';
import { waitFor } from './stack.js';

/** When our latest look at who holds a table began. */
const lookedAt = async (admin: pg.Client): Promise<number> =>
  (
    await admin.query<{ at: Date | null }>(
      `select max(query_start) as at from pg_stat_activity where query like '%pg_locks l%' and application_name like 'highwater/%'`,
    )
  ).rows[0]?.at?.getTime() ?? 0;

/** Waits until a step that stands aside has looked once more at who holds its table, from the beginning to the end of that look. */
export async function oneMoreLook(admin: pg.Client): Promise<void> {
  // two begin: when the second one does, the first is over
  for (const which of ['a look at who holds the table', 'another look']) {
    const before = await lookedAt(admin);
    await waitFor(which, async () => (await lookedAt(admin)) !== before);
  }
}
