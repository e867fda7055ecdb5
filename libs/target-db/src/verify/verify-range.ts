import type { Access } from '../session/database.js';
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

/** One page: `$1` rows at most, `$2`, `$3` migration and target, `$4…` the key to start after. Exported for `plan`, which prints it. */
export function verifyStatement(target: FillTarget, fromStart: boolean): string {
  const { derivation: d } = target;
  const keys = d.key.map((k) => `r.${k.ident}`);
  const after = fromStart
    ? ''
    : `where (${keys.join(', ')}) > (${d.key.map((k, i) => `$${i + 4}::text::${k.type}`).join(', ')})`;
  return `
with page as materialized ( /* numbered outside of the limit, so that only the page is read */
  select p.*, row_number() over () as o
    from (select array[${keys.map((k) => `${k}::text`).join(', ')}] as key, r.${d.target.ident} is null as empty,
                 r.${d.target.ident} is not null and r.${d.target.ident} is distinct from (${d.expression}) as mismatch
            from ${d.table.ident} as r ${after} order by ${keys.join(', ')} limit $1) as p
), listed as (
  insert into highwater.mismatch (migration_id, target_no, key) select $2::text, $3::int, key from page where mismatch
  on conflict (migration_id, target_no, key) do update set found_at = clock_timestamp()
)
select count(*) as checked, count(*) filter (where mismatch) as mismatches, count(*) filter (where empty) as nulls,
       (select to_json(key) from page order by o desc limit 1) as cursor
  from page`;
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
    const [page] = await fill.query<{ checked: string; mismatches: string; nulls: string; cursor: string[] | null }>(
      doing,
      verifyStatement(target, cursor === null),
      [rows, target.migrationId, target.targetNo, ...(cursor ?? [])],
    );
    const checked = Number(page?.checked ?? 0);
    return {
      checked,
      mismatches: Number(page?.mismatches ?? 0),
      nulls: Number(page?.nulls ?? 0),
      cursor: checked < rows ? null : (page?.cursor ?? null),
    };
  } catch (error) {
    throw databaseError(error, doing);
  }
}

/** Forgets the mismatches of an earlier verification of this target; call once before the first range. */
export async function startVerification(fill: Access, target: FillTarget): Promise<void> {
  await fill.query(
    'starting a verification',
    'delete from highwater.mismatch where migration_id = $1 and target_no = $2',
    [target.migrationId, target.targetNo],
  );
}

/** The whole table, page by page. `onPage` sees the progress; throw in it, or abort, to stop. */
export async function verifyTarget(
  fill: Access,
  target: FillTarget,
  options: {
    readonly pageRows?: number;
    readonly signal?: AbortSignal;
    readonly onPage?: (checked: number) => void;
  } = {},
): Promise<{ readonly checked: number; readonly mismatches: number; readonly nulls: number }> {
  await startVerification(fill, target);
  const total = { checked: 0, mismatches: 0, nulls: 0 };
  for (let cursor: KeyText | null = null; ;) {
    options.signal?.throwIfAborted();
    const page: VerifiedRange = await verifyRange(fill, target, cursor, options.pageRows ?? 20_000);
    total.checked += page.checked;
    total.mismatches += page.mismatches;
    total.nulls += page.nulls;
    options.onPage?.(total.checked);
    if (page.cursor === null) return total;
    cursor = page.cursor;
  }
}

/** Keys of the mismatches found last, for the operator. */
export async function readMismatches(
  access: Access,
  migrationId: string,
  limit = 100,
): Promise<{ targetNo: number; key: KeyText }[]> {
  const rows = await access.query<{ target_no: number; key: string[] }>(
    'reading mismatches',
    'select target_no, key from highwater.mismatch where migration_id = $1 order by target_no, key limit $2',
    [migrationId, limit],
  );
  return rows.map((r) => ({ targetNo: r.target_no, key: r.key }));
}
