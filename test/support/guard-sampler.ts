import type pg from 'pg';

/** Any check of ours, and the NULL rows beside it, on one snapshot. */
const statement = `select c.conrelid::regclass::text as table, case c.conrelid::regclass::text
    when '"Group"' then (select count(*)::int from "Group" where "workspaceId" is null)
    else (select count(*)::int from "Activity" where "workspaceId" is null) end as nulls
  from pg_constraint c where c.conname like 'hw\\_%' and c.contype = 'c'`;

/** Looks every few milliseconds whether a check of ours is in force where a NULL row is: it never may be (G4). */
export function sampleGuards(client: pg.Client): {
  stop(): Promise<{ samples: number; guarded: number; unproven: unknown[] }>;
} {
  const unproven: unknown[] = [];
  let samples = 0;
  let guarded = 0;
  let going = true;
  const done = (async () => {
    while (going) {
      const found = await client.query<{ table: string; nulls: number }>(statement).catch(() => undefined);
      if (!found) return; // closed with the test
      const { rows } = found;
      samples += 1;
      guarded += rows.length > 0 ? 1 : 0;
      unproven.push(...rows.filter((row) => row.nulls > 0));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  return {
    async stop() {
      going = false;
      await done;
      return { samples, guarded, unproven };
    },
  };
}
