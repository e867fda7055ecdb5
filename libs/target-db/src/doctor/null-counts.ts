import type { Access } from '../session/database.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { messageOf } from '@highwater/kernel';
import { readOnly } from './read-only.js';

/** Rows of a table and how many have no value in one column. */
export type NullCount =
  | { readonly kind: 'exact'; readonly rows: number; readonly nulls: number }
  /** From a sample: with 95 % between `low` and `high` of about `rows` rows. */
  | {
      readonly kind: 'estimate';
      readonly rows: number;
      readonly sampled: number;
      readonly low: number;
      readonly high: number;
    }
  | { readonly kind: 'unreadable'; readonly why: string };

/** Larger tables are sampled, so that a look never reads more than a busy server's cache can bear. */
const exactBytesMax = 512 * 1024 * 1024;
const sampledBytes = 32 * 1024 * 1024;
const countMsMax = 10_000;

export interface Counted {
  readonly ident: string;
  readonly column: string;
  readonly heapBytes: number;
  readonly rowsEstimated: number;
}

/** Exact while the table is small and the count takes less than ten seconds; else a bounded estimate. `ident` and `column` as the catalog writes them. */
export async function countWithoutValue(
  access: Access,
  counted: Counted,
  limits: { readonly exactBytesMax?: number } = {},
): Promise<NullCount> {
  try {
    if (counted.heapBytes <= (limits.exactBytesMax ?? exactBytesMax)) {
      const exact = await count(access, counted, '').catch((error: unknown) => {
        if (isSqlstate(error, sqlstate.queryCanceled)) return undefined;
        throw error;
      });
      if (exact) return { kind: 'exact', ...exact };
    }
    const percent = Math.min(100, (100 * sampledBytes) / Math.max(1, counted.heapBytes));
    const sample = await count(access, counted, `tablesample system (${percent.toFixed(6)})`);
    return { kind: 'estimate', ...boundsOf(sample, counted.rowsEstimated) };
  } catch (error) {
    return { kind: 'unreadable', why: messageOf(error) };
  }
}

const count = (access: Access, { ident, column }: Counted, sample: string): Promise<{ rows: number; nulls: number }> =>
  readOnly(
    access,
    `counting rows of ${ident}`,
    async (client) => {
      const { rows } = await client.query<{ rows: number; nulls: number }>(
        `select count(*)::float8 as rows, (count(*) - count(${column}))::float8 as nulls from ${ident} ${sample}`,
      );
      return rows[0] ?? { rows: 0, nulls: 0 };
    },
    countMsMax,
  );

const z = 1.96;
/** Wilson's interval of the sample's share, over the rows that the planner believes in. */
export function boundsOf(
  sample: { readonly rows: number; readonly nulls: number },
  rowsEstimated: number,
): { rows: number; sampled: number; low: number; high: number } {
  const n = sample.rows;
  const rows = Math.max(rowsEstimated, n);
  if (n === 0) return { rows, sampled: 0, low: 0, high: rows };
  const share = sample.nulls / n;
  const middle = (share + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const width = (z / (1 + (z * z) / n)) * Math.sqrt((share * (1 - share)) / n + (z * z) / (4 * n * n));
  return {
    rows,
    sampled: n,
    low: Math.max(sample.nulls, Math.floor(rows * Math.max(0, middle - width))),
    high: Math.ceil(rows * Math.min(1, middle + width)),
  };
}
