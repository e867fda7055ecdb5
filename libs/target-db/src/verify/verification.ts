import { isTransient, rowRefusal } from '../fill/row-error.js';
import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate, sqlstateOf } from '../session/sqlstate.js';
import type { FillTarget } from '../target.js';
import { pageAfter, pageRead } from './block-window.js';
import { firstPageRows, nextPageRows, smallerPageRows } from './page-size.js';
import { blocksText, comparePage, pageConditions, pageTable, type KeyText } from './verify-range.js';

/** How far one target is. */
export interface VerificationProgress {
  readonly targetNo: number;
  readonly runId: string;
  readonly checked: number;
  readonly mismatches: number;
  readonly nulls: number;
  /** Of the mismatches found, set right since; no longer counted among them. */
  readonly repaired: number;
  readonly done: boolean;
  readonly pageRows: number;
  readonly startedAt: string;
  readonly movedAt: string;
}

/** A page that takes longer is given up and tried again smaller; reading that long would hold back vacuum too. */
const pageMsMax = 5_000;

/** Starts a run over every target. The run that is under way already is left where it is; another one's progress is thrown away. */
export async function beginVerification(fill: Access, targets: readonly FillTarget[], runId: string): Promise<void> {
  const [first] = targets;
  if (!first) return;
  await fill.query(
    'starting a verification',
    `insert into highwater.verification as v (migration_id, target_no, run_id, page_rows)
     select $1::text, n, $3::text, $4::int from unnest($2::int[]) n
     on conflict (migration_id, target_no) do update
        set run_id = excluded.run_id, page_rows = excluded.page_rows, cursor = null, done = false, rows_checked = 0,
            rows_mismatched = 0, rows_null = 0, rows_repaired = 0, started_at = clock_timestamp(), moved_at = clock_timestamp()
      where v.run_id <> excluded.run_id`,
    [first.migrationId, targets.map((target) => target.targetNo), runId, firstPageRows],
  );
}

/** Where the last run stands, by target; empty: none was started. */
export async function readVerification(access: Access, migrationId: string): Promise<VerificationProgress[]> {
  const rows = await access.query<{
    target_no: number;
    run_id: string;
    rows_checked: string;
    rows_mismatched: string;
    rows_null: string;
    rows_repaired: string;
    done: boolean;
    page_rows: number;
    started_at: Date;
    moved_at: Date;
  }>(
    'reading a verification',
    `select target_no, run_id, rows_checked, rows_mismatched, rows_null, rows_repaired, done, page_rows, started_at, moved_at
       from highwater.verification where migration_id = $1 order by target_no`,
    [migrationId],
  );
  return rows.map((row) => ({
    targetNo: row.target_no,
    runId: row.run_id,
    checked: Number(row.rows_checked),
    mismatches: Number(row.rows_mismatched),
    nulls: Number(row.rows_null),
    repaired: Number(row.rows_repaired),
    done: row.done,
    pageRows: row.page_rows,
    startedAt: row.started_at.toISOString(),
    movedAt: row.moved_at.toISOString(),
  }));
}

/**
 * The next page of one target. A page that is too slow or meets a row whose comparison the server refuses is tried again smaller, down to
 * that one row, which is listed with its SQLSTATE; the pages after it go on.
 *
 * @returns whether the target is done. False too when another process did the page.
 */
export async function verifyNextPage(fill: Access, target: FillTarget, runId: string): Promise<boolean> {
  const doing = `verifying ${target.derivation.table.ident}`;
  const began = performance.now();
  try {
    return await fill.transaction(doing, async (client) => {
      const at = await lockProgress(client, target, runId);
      if (!at) return false;
      const page = await comparePage(client, target, at.cursor, at.pageRows);
      await moveOn(client, target, {
        ...page,
        pageRows: nextPageRows(at.pageRows, page.looked, performance.now() - began),
      });
      return page.cursor === null;
    });
  } catch (error) {
    const lost = isSqlstate(error, sqlstate.lockNotAvailable);
    if (lost || !(rowRefusal(error) || isTransient(error))) throw databaseError(error, doing);
    return onFailedPage(fill, target, runId, sqlstateOf(error) ?? '');
  }
}

interface Progress {
  readonly cursor: KeyText | null;
  readonly pageRows: number;
}

/** Locked, so that of two processes that think they lead only one counts a page. */
async function lockProgress(client: Client, target: FillTarget, runId: string): Promise<Progress | undefined> {
  // the cost estimated for a page is above jit_above_cost, and each page would compile the rule anew
  await client.query(`set local statement_timeout = ${pageMsMax}; set local jit = off`);
  const { rows } = await client.query<{ cursor: string[] | null; page_rows: number }>(
    `select cursor, page_rows from highwater.verification
      where migration_id = $1 and target_no = $2 and run_id = $3 and not done for update`,
    [target.migrationId, target.targetNo, runId],
  );
  return rows[0] && { cursor: rows[0].cursor, pageRows: rows[0].page_rows };
}

/** Cursor and counts; at the end the entries of earlier runs that this one did not find again are closed. */
async function moveOn(
  client: Client,
  target: FillTarget,
  page: { cursor: KeyText | null; checked: number; mismatches: number; nulls: number; pageRows: number },
): Promise<void> {
  await client.query(
    `update highwater.verification
        set cursor = coalesce($3::text[], cursor), done = $3::text[] is null, page_rows = $4, rows_checked = rows_checked + $5,
            rows_mismatched = rows_mismatched + $6, rows_null = rows_null + $7, moved_at = clock_timestamp()
      where migration_id = $1 and target_no = $2`,
    [target.migrationId, target.targetNo, page.cursor, page.pageRows, page.checked, page.mismatches, page.nulls],
  );
  if (page.cursor !== null) return;
  await client.query(
    `delete from highwater.mismatch as m using highwater.verification as v
      where v.migration_id = $1 and v.target_no = $2 and (m.migration_id, m.target_no) = (v.migration_id, v.target_no)
        and m.found_at < v.started_at`,
    [target.migrationId, target.targetNo],
  );
}

async function onFailedPage(fill: Access, target: FillTarget, runId: string, state: string): Promise<boolean> {
  return fill.transaction('going on after a failed page', async (client) => {
    const at = await lockProgress(client, target, runId);
    if (!at) return false;
    if (at.pageRows > 1) {
      await client.query(
        'update highwater.verification set page_rows = $3 where migration_id = $1 and target_no = $2',
        [target.migrationId, target.targetNo, smallerPageRows(at.pageRows)],
      );
      return false;
    }
    const { key, cursor } = await keyAfter(client, target, at.cursor);
    if (key)
      await client.query(
        `insert into highwater.mismatch (migration_id, target_no, key, sqlstate) values ($1, $2, $3, $4)
         on conflict (migration_id, target_no, key) do update set found_at = clock_timestamp(), sqlstate = excluded.sqlstate`,
        [target.migrationId, target.targetNo, key, state],
      );
    const counts = { checked: key ? 1 : 0, mismatches: key ? 1 : 0, nulls: 0 };
    await moveOn(client, target, { cursor, ...counts, pageRows: 1 });
    return cursor === null;
  });
}

/** The next key alone, and where to go on: nothing of the rule is computed. */
async function keyAfter(
  client: Client,
  target: FillTarget,
  cursor: KeyText | null,
): Promise<{ key: KeyText | null; cursor: KeyText | null }> {
  const keys = target.derivation.key.map((k) => `r.${k.ident}`);
  const page = pageAfter(target.derivation, cursor, 1);
  const { rows } = await client.query<{ key: string[] }>(
    `select array[${keys.map((k) => `${k}::text`).join(', ')}] as key from ${pageTable(target)}
      ${pageConditions(target, cursor === null, 1, page.window)} order by ${keys.join(', ')} limit 1`,
    [...(cursor ?? [])],
  );
  const found = rows[0]?.key ?? null;
  if (found !== null || !page.window) return { key: found, cursor: found };
  const size = await client.query<{ blocks: string }>(`select ${blocksText(target)}`);
  return { key: null, cursor: pageRead(page, 1, { seen: 0, last: null, blocks: size.rows[0]?.blocks }).cursor };
}
