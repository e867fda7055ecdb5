import { hasKey } from '@highwater/derivation';
import { readPartitions } from '../catalog/facts.js';
import { dropIndexConcurrently, ensureIndexConcurrently } from '../ddl/concurrent-index.js';
import { nullIndexName, ownershipComment } from '../ddl/names.js';
import type { Access, Database } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import type { FillTarget } from '../target.js';

/** No index takes the place of a row; without a key the target itself, which is NULL there, is in it. */
export const nullIndexColumns = ({ derivation: d }: FillTarget): readonly string[] =>
  hasKey(d) ? d.key.map((k) => k.ident) : [d.target.ident];

/**
 * The partial index `(key) where target is null`, on each relation that holds rows: almost empty after the sweep, it makes the exact
 * NULL count, the tail passes and the proof behind the lock cheap at any table size.
 */
export async function buildNullIndex(database: Database, target: FillTarget, signal?: AbortSignal): Promise<void> {
  const { derivation: d } = target;
  const definition = `(${nullIndexColumns(target).join(', ')}) where ${d.target.ident} is null`;
  for (const leaf of await readPartitions(database.ddl, d.table.relid))
    await ensureIndexConcurrently(
      database,
      {
        name: nullIndexName(target, leaf.relid),
        relid: leaf.relid,
        on: leaf.ident,
        definition,
        comment: ownershipComment(target, definition),
      },
      signal,
    );
}

/** Wherever it is: a partition may have been detached since. */
export async function dropNullIndex(database: Database, target: FillTarget, signal?: AbortSignal): Promise<void> {
  const found = await database.ddl.query<{ ident: string }>(
    'looking for our partial indexes',
    `select format('%I.%I', n.nspname, x.relname) as ident from pg_class x join pg_namespace n on n.oid = x.relnamespace
       join pg_index i on i.indexrelid = x.oid where x.relname ~ $1 and obj_description(x.oid, 'pg_class') like $2`,
    [`^${nullIndexName(target, 0).replace('_0_', '_[0-9]+_')}$`, `highwater ${target.migrationId} %`],
  );
  for (const { ident } of found) await dropIndexConcurrently(database, ident, signal);
}

/**
 * Exact number of rows without value that this snapshot sees, as the fill access, through the partial index. Without the index it is
 * a full scan: ask only after `buildNullIndex`.
 */
export async function countNulls(fill: Access, target: FillTarget): Promise<bigint> {
  const { table, target: column } = target.derivation;
  try {
    return await fill.transaction(`counting rows without value in ${table.ident}`, async (client) => {
      await client.query('set local enable_seqscan = off');
      const { rows } = await client.query<{ n: string }>(
        `select count(*) as n from ${table.ident} as r where r.${column.ident} is null`,
      );
      return BigInt(rows[0]?.n ?? '0');
    });
  } catch (error) {
    throw databaseError(error, `counting rows without value in ${table.ident}`);
  }
}
