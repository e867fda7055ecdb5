import { hasKey } from '@highwater/derivation';
import type { UnfillableReason } from '@highwater/kernel';
import type { Client } from '../session/database.js';
import type { FillTarget } from '../target.js';
import { keyColumns } from './key-text.js';
import { WriteTakenBack } from './row-error.js';
import { fillRows, rowsLeft, type RowNaming } from './statements.js';

/** Locked rows, named for the statements of one transaction. */
export type LockedRows =
  | { readonly naming: 'ctid'; readonly count: number; readonly ids: string }
  | { readonly naming: 'key'; readonly count: number; readonly keys: readonly (readonly string[])[] };

/** One row that did not get its value, and why. */
export interface UnfilledRow {
  readonly key: readonly string[];
  readonly reason: UnfillableReason;
  readonly sqlstate: string | null;
  readonly constraint: string | null;
}

export interface Written {
  readonly filled: number;
  readonly unfilled: readonly UnfilledRow[];
}

/**
 * Writes locked rows in one statement and says why the rest was left. A row whose rule has a value only now (its parent came between the
 * two statements) is written by a second try; one that is still NULL then was suppressed by a trigger.
 */
export async function writeRows(client: Client, target: FillTarget, rows: LockedRows): Promise<Written> {
  if (rows.count === 0) return { filled: 0, unfilled: [] };
  const filled = await write(client, target, rows);
  if (filled === rows.count) return { filled, unfilled: [] };
  let left = await readLeft(client, target, rows);
  if (left.some((row) => row.reason === null)) {
    await write(client, target, rows);
    left = await readLeft(client, target, rows);
  }
  return {
    filled: rows.count - left.length,
    unfilled: left.map(({ key, reason }) => ({
      key,
      reason: reason ?? 'WriteSuppressed',
      sqlstate: null,
      constraint: null,
    })),
  };
}

async function write(client: Client, target: FillTarget, rows: LockedRows): Promise<number> {
  const { rows: answer } = await client.query<{ written: number; still: number }>(
    fillRows(target, rows.naming),
    values(target, rows),
  );
  const { written, still } = answer[0] ?? { written: 0, still: 0 };
  if (still > 0 && (rows.naming === 'ctid' || !hasKey(target.derivation))) throw new WriteTakenBack();
  return written - still;
}

async function readLeft(
  client: Client,
  target: FillTarget,
  rows: LockedRows,
): Promise<{ key: string[]; reason: UnfillableReason | null }[]> {
  const answer = await client.query<Record<string, string | null>>(rowsLeft(target, rows.naming), values(target, rows));
  return answer.rows.map((row) => ({
    key: target.derivation.key.map((_, i) => String(row[`k${i}`])),
    reason: row['reason'] as UnfillableReason | null,
  }));
}

const values = (target: FillTarget, rows: LockedRows): unknown[] =>
  rows.naming === 'ctid' ? [rows.ids] : keyColumns(rows.keys, target.derivation.key.length);

/** What `lockChunk` answered. */
export function lockedRows(
  target: FillTarget,
  naming: RowNaming,
  row: Record<string, unknown> | undefined,
): LockedRows {
  const count = Number(row?.['locked'] ?? 0);
  if (naming === 'ctid') return { naming, count, ids: String(row?.['ids'] ?? '{}') };
  const columns = target.derivation.key.map((_, i) => (row?.[`k${i}`] as string[] | null) ?? []);
  return { naming, count, keys: Array.from({ length: count }, (_, n) => columns.map((column) => String(column[n]))) };
}
