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

interface MismatchPage {
  readonly limit?: number;
  readonly offset?: number;
  /** The page begins behind this entry; `offset` counts from there. */
  readonly after?: Pick<Mismatch, 'targetNo' | 'key'> | undefined;
}

/** Keys of the mismatches found last, in the order of the plan's targets, from behind a place on; never a value. */
export async function readMismatches(
  access: Access,
  migrationId: string,
  { targetNos, ...page }: MismatchPage & { readonly targetNos?: readonly number[] } = {},
): Promise<Mismatch[]> {
  if (targetNos === undefined) return readPage(access, migrationId, page);
  const { limit = 100, after } = page;
  let { offset = 0 } = page;
  const found: Mismatch[] = [];
  // one by one: the index takes either a list of targets or the place where the last page ended, and goes over all before it for the list
  for (const targetNo of targetNos.toSorted((a, b) => a - b)) {
    if (found.length >= limit || (after && targetNo < after.targetNo)) continue;
    const within = { after: after?.targetNo === targetNo ? after : undefined, targetNo };
    const passed = offset === 0 ? 0 : Math.min(offset, await countBehind(access, migrationId, within));
    found.push(...(await readPage(access, migrationId, { ...within, limit: limit - found.length, offset: passed })));
    offset -= passed;
  }
  return found;
}

interface Place {
  readonly targetNo?: number;
  readonly after?: MismatchPage['after'];
}

function conditionOf(migrationId: string, { targetNo, after }: Place): { where: string; values: unknown[] } {
  if (targetNo === undefined)
    return after === undefined
      ? { where: 'migration_id = $1', values: [migrationId] }
      : {
          where: 'migration_id = $1 and (target_no, key) > ($2::int, $3::text[])',
          values: [migrationId, after.targetNo, after.key],
        };
  return after === undefined
    ? { where: 'migration_id = $1 and target_no = $2::int', values: [migrationId, targetNo] }
    : {
        where: 'migration_id = $1 and target_no = $2::int and key > $3::text[]',
        values: [migrationId, targetNo, after.key],
      };
}

async function countBehind(access: Access, migrationId: string, place: Place): Promise<number> {
  const { where, values } = conditionOf(migrationId, place);
  const [row] = await access.query<{ n: string }>(
    'counting mismatches',
    `select count(*) as n from highwater.mismatch where ${where}`,
    values,
  );
  return Number(row?.n ?? 0);
}

async function readPage(access: Access, migrationId: string, page: MismatchPage & Place): Promise<Mismatch[]> {
  const { where, values } = conditionOf(migrationId, page);
  const rows = await access.query<{
    target_no: number;
    key: string[];
    sqlstate: string | null;
    kept: KeptReason | null;
    found_at: Date;
  }>(
    'reading mismatches',
    `select target_no, key, sqlstate, kept, found_at from highwater.mismatch where ${where}
      order by target_no, key limit $${values.length + 1} offset $${values.length + 2}`,
    [...values, page.limit ?? 100, page.offset ?? 0],
  );
  return rows.map((row) => ({
    targetNo: row.target_no,
    key: row.key,
    sqlstate: row.sqlstate,
    kept: row.kept,
    foundAt: row.found_at.toISOString(),
  }));
}
