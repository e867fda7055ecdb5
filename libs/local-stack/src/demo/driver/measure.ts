import pg from 'pg';

export interface TableSize {
  readonly table: string;
  readonly heapBytes: number;
  /** With indexes and TOAST. */
  readonly totalBytes: number;
}

export interface SweepPace {
  readonly rows: number;
  readonly ms: number;
}

async function ask<Row extends pg.QueryResultRow>(url: string, text: string, values: unknown[]): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, application_name: 'demo measuring' });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Rows per second of the first pass over history, from its first lease to its last commit. */
export async function sweepPace(url: string): Promise<SweepPace> {
  const [pace] = await ask<{ rows: number; ms: number }>(
    url,
    `select coalesce(sum(rows_filled), 0)::float8 as rows,
            coalesce(extract(epoch from max(finished_at) - min(started_at)) * 1000, 0)::float8 as ms
       from highwater.sweep_range where pass = 0`,
    [],
  );
  return pace ?? { rows: 0, ms: 0 };
}
