import type { Access } from '../session/database.js';
import type { KeptReason } from './repair.js';
import type { KeyText } from './verify-range.js';

export interface Mismatch {
  readonly targetNo: number;
  readonly key: KeyText;
  /** null: the values differ; else the comparison of this row was refused. */
  readonly sqlstate: string | null;
  /** Why a repair left it; null: none was tried. */
  readonly kept: KeptReason | null;
  readonly foundAt: string;
}

/** Keys of the mismatches found last, in the order of the plan's targets, from behind a place on; never a value. */
export async function readMismatches(
  access: Access,
  migrationId: string,
  page: {
    readonly limit?: number;
    readonly offset?: number;
    readonly after?: Pick<Mismatch, 'targetNo' | 'key'> | undefined;
    readonly targetNos?: readonly number[];
  } = {},
): Promise<Mismatch[]> {
  const rows = await access.query<{
    target_no: number;
    key: string[];
    sqlstate: string | null;
    kept: KeptReason | null;
    found_at: Date;
  }>(
    'reading mismatches',
    `select target_no, key, sqlstate, kept, found_at from highwater.mismatch
      where migration_id = $1 and ($4::int[] is null or target_no = any($4::int[]))
        ${page.after === undefined ? '' : 'and (target_no, key) > ($5::int, $6::text[])'}
      order by target_no, key limit $2 offset $3`,
    [
      migrationId,
      page.limit ?? 100,
      page.offset ?? 0,
      page.targetNos ?? null,
      ...(page.after === undefined ? [] : [page.after.targetNo, page.after.key]),
    ],
  );
  return rows.map((row) => ({
    targetNo: row.target_no,
    key: row.key,
    sqlstate: row.sqlstate,
    kept: row.kept,
    foundAt: row.found_at.toISOString(),
  }));
}
