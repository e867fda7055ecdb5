import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import type { FillTarget } from '../target.js';

/** A key as the server's own text, one element per key column. */
export type KeyText = readonly string[];

export interface VerifiedRange {
  readonly checked: number;
  /** Stored value distinct from the rule's value of now; their keys are in highwater.mismatch. */
  readonly mismatches: number;
  /** Rows without value are counted by NullCountZero and listed as unfillable, never as mismatches. */
  readonly nulls: number;
  /** Last key looked at; null: the end of the table was reached. */
  readonly cursor: KeyText | null;
}

/** Rows after a key, which starts at parameter `first`. */
export function afterKey(target: FillTarget, first: number): string {
  const { key } = target.derivation;
  return `(${key.map((k) => `r.${k.ident}`).join(', ')}) > (${key.map((k, i) => `$${i + first}::text::${k.type}`).join(', ')})`;
}

/** One page: `$1` rows at most, `$2`, `$3` migration and target, `$4…` the key to start after. Exported for `plan`, which prints it. */
export function verifyStatement(target: FillTarget, fromStart: boolean): string {
  const { derivation: d } = target;
  const keys = d.key.map((k) => `r.${k.ident}`);
  const after = fromStart ? '' : `where ${afterKey(target, 4)}`;
  return `
with page as materialized ( /* numbered outside of the limit, so that only the page is read */
  select p.*, row_number() over () as o
    from (select array[${keys.map((k) => `${k}::text`).join(', ')}] as key, r.${d.target.ident} is null as empty,
                 r.${d.target.ident} is not null and r.${d.target.ident} is distinct from (${d.expression}) as mismatch
            from ${d.table.ident} as r ${after} order by ${keys.join(', ')} limit $1) as p
), listed as (
  insert into highwater.mismatch (migration_id, target_no, key) select $2::text, $3::int, key from page where mismatch
  on conflict (migration_id, target_no, key) do update set found_at = clock_timestamp(), sqlstate = null, kept = null
)
select count(*) as checked, count(*) filter (where mismatch) as mismatches, count(*) filter (where empty) as nulls,
       (select to_json(key) from page order by o desc limit 1) as cursor
  from page`;
}

interface PageRow {
  checked: string;
  mismatches: string;
  nulls: string;
  cursor: string[] | null;
}

/** Compares the next `rows` keys after `cursor` in the caller's transaction. The driver's own error is thrown. */
export async function comparePage(
  client: Client,
  target: FillTarget,
  cursor: KeyText | null,
  rows: number,
): Promise<VerifiedRange> {
  const found = await client.query<PageRow>(verifyStatement(target, cursor === null), [
    rows,
    target.migrationId,
    target.targetNo,
    ...(cursor ?? []),
  ]);
  const page = found.rows[0];
  const checked = Number(page?.checked ?? 0);
  return {
    checked,
    mismatches: Number(page?.mismatches ?? 0),
    nulls: Number(page?.nulls ?? 0),
    cursor: checked < rows ? null : (page?.cursor ?? null),
  };
}

/** Compares stored with derived value, by value, over the next `rows` keys after `cursor`; resumable by the cursor it returns. */
export async function verifyRange(
  fill: Access,
  target: FillTarget,
  cursor: KeyText | null,
  rows: number,
): Promise<VerifiedRange> {
  const doing = `verifying ${target.derivation.table.ident}`;
  try {
    return await fill.session(doing, (client) => comparePage(client, target, cursor, rows));
  } catch (error) {
    throw databaseError(error, doing);
  }
}
