import { keyColumns, keyLiteral } from '../fill/key-text.js';
import type { UnfilledRow } from '../fill/write-rows.js';
import type { Access, Client } from '../session/database.js';
import type { EntityTarget } from '../target.js';
import { askAround } from './ask-around.js';
import { sourcesLeft } from './statements.js';

/** Lists sources of which no entity could be made, in the transaction that tried: one open entry per source. */
export async function listUnfillableEntities(
  client: Client,
  { migrationId, entityNo }: EntityTarget,
  sources: readonly UnfilledRow[],
): Promise<void> {
  if (sources.length === 0) return;
  await client.query(
    `insert into highwater.unfillable_entity as u (migration_id, entity_no, source_key, reason, sqlstate, constraint_name)
     select distinct on (n.key) $1, $2::int4, n.key::text[], n.reason, n.sqlstate, n.constraint_name
       from rows from (unnest($3::text[]), unnest($4::text[]), unnest($5::text[]), unnest($6::text[])) as n (key, reason, sqlstate, constraint_name)
      order by n.key
     on conflict (migration_id, entity_no, source_key) do update
        set reason = excluded.reason, sqlstate = excluded.sqlstate, constraint_name = excluded.constraint_name,
            attempts = u.attempts + 1, last_seen = clock_timestamp(), closed_at = null`,
    [
      migrationId,
      entityNo,
      sources.map(({ key }) => keyLiteral(key)),
      sources.map(({ reason }) => reason),
      sources.map(({ sqlstate }) => sqlstate),
      sources.map(({ constraint }) => constraint),
    ],
  );
}

/** Open entries in the order of their key's text, for a retry: the next `limit` after one. */
export async function openUnfillableEntityKeys(
  state: Access,
  { migrationId, entityNo }: EntityTarget,
  page: {
    /** Null: every reason. */
    readonly reasons: readonly string[] | null;
    readonly after: readonly string[] | null;
    readonly limit: number;
  },
): Promise<string[][]> {
  const rows = await state.query<{ key: string[] }>(
    'reading unfillable entities',
    `select source_key as key from highwater.unfillable_entity
      where migration_id = $1 and entity_no = $2 and closed_at is null and ($3::text[] is null or reason = any($3::text[]))
        and ($4::text[] is null or source_key > $4::text[])
      order by source_key limit $5`,
    [migrationId, entityNo, page.reasons, page.after, page.limit],
  );
  return rows.map(({ key }) => key);
}

const reconcileRows = 1_000;

/**
 * Closes the entries whose entity is there by now or whose source is gone, whoever did it. Called after each pass.
 *
 * @returns entries closed.
 */
export async function closeUnfillableEntities(
  fill: Access,
  target: EntityTarget,
  signal?: AbortSignal,
): Promise<number> {
  let closed = 0;
  for (let after: string[] | null = null; ;) {
    signal?.throwIfAborted();
    const page = { reasons: null, after, limit: reconcileRows };
    const keys: string[][] = await openUnfillableEntityKeys(fill, target, page);
    after = keys.at(-1) ?? null;
    if (after === null) return closed;
    closed += await closeEntriesOf(fill, target, keys);
  }
}

/** The same of some sources only. Those that the server still refuses to look at stay listed. */
export async function closeEntriesOf(
  fill: Access,
  { entity, migrationId, entityNo }: EntityTarget,
  keys: readonly (readonly string[])[],
): Promise<number> {
  const { answers, refused } = await fill.session('looking at unfillable entities', (client) =>
    askAround(keys, async (some) => {
      const columns = keyColumns(some, entity.sourceKey.length);
      return (await client.query<Record<string, string>>(sourcesLeft(entity), columns)).rows;
    }),
  );
  const left = answers.map((row) => entity.sourceKey.map((_, i) => String(row[`k${i}`])));
  const still = new Set([...left, ...refused.map(({ asked }) => asked)].map((key) => JSON.stringify(key)));
  const over = keys.filter((key) => !still.has(JSON.stringify(key)));
  if (over.length > 0)
    await fill.query(
      'closing the entries of entities that are there or need not be',
      `update highwater.unfillable_entity set closed_at = clock_timestamp()
        where migration_id = $1 and entity_no = $2 and closed_at is null and source_key in (select k::text[] from unnest($3::text[]) as k)`,
      [migrationId, entityNo, over.map(keyLiteral)],
    );
  return over.length;
}
