import { hasKey } from '@highwater/derivation';
import { must } from '@highwater/kernel';
import { readPartitions } from '../catalog/facts.js';
import { dropIndexConcurrently, ensureIndexConcurrently } from '../ddl/concurrent-index.js';
import { nullIndexName, ownershipComment } from '../ddl/names.js';
import type { Access, Client, Database } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
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

/** Exact number of rows without value, by the partial index; see `countNullsOf`. */
export async function countNulls(fill: Access, target: FillTarget): Promise<bigint> {
  return byNullIndexes(fill, [target], (client) => countOf(client, target));
}

/**
 * Exact numbers of rows without value, one for each target in their order, all of them seen by one snapshot: counts that add up to what was there at
 * one moment. Each table has the session's limits for itself (30 s, and 500 ms for its lock); null: it could not be counted within them. As the fill
 * access, through the partial indexes; without them it is a full scan, so ask only after `buildNullIndex`.
 */
export async function countNullsOf(
  fill: Access,
  targets: readonly FillTarget[],
  signal?: AbortSignal,
): Promise<(bigint | null)[]> {
  if (targets.length === 0) return [];
  return byNullIndexes(fill, targets, async (client) => {
    const counts: (bigint | null)[] = [];
    await client.query('savepoint counting');
    for (const target of targets) {
      signal?.throwIfAborted();
      try {
        counts.push(await countOf(client, target));
      } catch (error) {
        if (!isSqlstate(error, sqlstate.queryCanceled, sqlstate.lockNotAvailable)) throw error;
        counts.push(null);
      }
      // keeps the snapshot, which the others are counted by, and gives the table's lock back: a step that wants this table must not wait for them
      await client.query('rollback to savepoint counting');
    }
    return counts;
  });
}

async function byNullIndexes<T>(
  fill: Access,
  targets: readonly FillTarget[],
  count: (client: Client) => Promise<T>,
): Promise<T> {
  const doing = `counting rows without value in ${targets.map(({ derivation }) => derivation.table.ident).join(', ')}`;
  try {
    return await fill.transaction(doing, async (client) => {
      await client.query('set transaction isolation level repeatable read, read only');
      await client.query('set local enable_seqscan = off');
      return count(client);
    });
  } catch (error) {
    throw databaseError(error, doing);
  }
}

async function countOf(client: Client, { derivation: { table, target } }: FillTarget): Promise<bigint> {
  const { rows } = await client.query<{ n: string }>(
    `select count(*)::text as n from ${table.ident} as r where r.${target.ident} is null`,
  );
  return BigInt(must(rows[0]?.n, 'a count is a number'));
}
