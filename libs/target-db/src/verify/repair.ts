import type pg from 'pg';
import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { enterFrom, journalKey } from '../fill/journal.js';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import { statementMs } from '../fill/time-held.js';
import { enterGateBeforeSnapshot, gateIsOpen, leaveGate } from '../gate/enter-gate.js';
import type { FillTarget } from '../target.js';

/**
 * Why a mismatch stays: nobody journaled its value (the application wrote it), somebody changed it since, the rule has no value now, the
 * server refused the write, or others held the row at each try.
 */
export const keptReasons = ['NotJournaled', 'ChangedSince', 'NoValue', 'WriteRefused', 'RowHeld'] as const;
export type KeptReason = (typeof keptReasons)[number];

export interface RepairedPage {
  readonly repaired: number;
  readonly kept: number;
  /** Mismatches that nobody has looked at yet. */
  readonly left: boolean;
}

/** Tries of one row that somebody holds. */
const triesMax = 5;
const lockTimeoutMs = 20;

/**
 * Sets right the next mismatches of one target, by the journal: a row is written only while it still holds the value that we entered there,
 * so whatever the application wrote itself, or changed since, stays and says why. One statement on one snapshot judges and writes (a row
 * that changed in between raises 40001), and enters the new value in the journal in the same commit.
 *
 * @returns undefined when the gate is closed: paused or halted.
 */
export async function repairPage(
  fill: Access,
  target: FillTarget,
  rowsMax: number,
  rowBudgetMs: number,
): Promise<RepairedPage | undefined> {
  const doing = `repairing ${target.derivation.table.ident}`;
  for (let [rows, tries] = [rowsMax, 1]; ;) {
    try {
      return await fill.session(doing, (client) => repairOnce(client, target, rows, rowBudgetMs));
    } catch (error) {
      if (!isTransient(error) && !rowRefusal(error)) throw databaseError(error, doing);
      if (rows > 1) rows = Math.max(1, Math.floor(rows / 8));
      else if (rowRefusal(error)) return keepFirst(fill, target, 'WriteRefused');
      else if ((tries += 1) > triesMax) return keepFirst(fill, target, 'RowHeld');
    }
  }
}

async function repairOnce(
  client: Client,
  target: FillTarget,
  rows: number,
  rowBudgetMs: number,
): Promise<RepairedPage | undefined> {
  const begin = [
    'begin isolation level repeatable read',
    `set local lock_timeout = ${lockTimeoutMs}`,
    `set local statement_timeout = ${statementMs(rowBudgetMs)}`,
    'set local enable_seqscan = off',
    'set local jit = off',
  ];
  // the gate's lock before the snapshot, as every write of ours does
  await client.query(enterGateBeforeSnapshot(target, 'sweep'));
  try {
    const results = (await client.query(
      [...begin, gateIsOpen(target, 'sweep')].join('; '),
    )) as unknown as pg.QueryResult[];
    if ((results.at(-1)?.rows[0] as { open?: boolean } | undefined)?.open !== true) {
      await client.query('rollback');
      return undefined;
    }
    const { rows: answer } = await client.query<{ repaired: number; kept: number; looked: number }>(
      repairStatement(target),
      [target.migrationId, target.targetNo, rows],
    );
    await client.query('commit');
    const page = answer[0] ?? { repaired: 0, kept: 0, looked: 0 };
    return { repaired: page.repaired, kept: page.kept, left: page.looked === rows };
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    await client.query(leaveGate(target, 'sweep'));
  }
}

/** `$1`, `$2` migration and target, `$3` rows at most. Exported for whoever prints it. */
export function repairStatement(target: FillTarget): string {
  const { derivation: d } = target;
  const same = (a: string): string =>
    d.key.map((k, i) => `${a}.${k.ident} = (w.key)[${i + 1}]::${k.type}`).join(' and ');
  const again = d.key.map((k, i) => `t.${k.ident} = (f.key)[${i + 1}]::${k.type}`).join(' and ');
  return `
with wanted as materialized (
  select m.key from highwater.mismatch as m
   where m.migration_id = $1::text and m.target_no = $2::int and m.sqlstate is null and m.kept is null order by m.key limit $3::int
), entry as materialized (
  select distinct on (j.key) j.key, j.value from highwater.journal as j join wanted as w on w.key = j.key
   where j.migration_id = $1::text and j.target_no = $2::int order by j.key, j.entry_no desc
), found as materialized (
  select w.key, e.value as entered, r.${d.target.ident}::pg_catalog.text as stored, (${d.expression}) as value
    from wanted as w left join entry as e on e.key = w.key join ${d.table.ident} as r on ${same('r')}
), repaired as (
  update ${d.table.ident} as t set ${d.target.ident} = f.value from found as f
   where ${again} and f.stored = f.entered and t.${d.target.ident}::pg_catalog.text = f.entered and f.value is not null
     and t.${d.target.ident} is distinct from f.value
  returning ${journalKey(target, 't')} as key, t.${d.target.ident}::pg_catalog.text as value
), entered as (
  ${enterFrom(target, 'repaired')}
), fate as materialized (
  select w.key, case when p.key is not null or f.stored is null then null
                     when f.stored is not distinct from f.value::pg_catalog.text then null
                     when f.entered is null then 'NotJournaled' when f.stored <> f.entered then 'ChangedSince'
                     when f.value is null then 'NoValue' else 'WriteRefused' end as kept
    from wanted as w left join found as f on f.key = w.key left join repaired as p on p.key = w.key
), settled as (
  delete from highwater.mismatch as m using fate where m.migration_id = $1::text and m.target_no = $2::int and m.key = fate.key and fate.kept is null
  returning 1
), stays as (
  update highwater.mismatch as m set kept = fate.kept from fate
   where m.migration_id = $1::text and m.target_no = $2::int and m.key = fate.key and fate.kept is not null
), counted as (
  update highwater.verification as v
     set rows_mismatched = rows_mismatched - (select count(*) from settled), rows_repaired = rows_repaired + (select count(*) from repaired)
   where v.migration_id = $1::text and v.target_no = $2::int and exists (select from settled)
)
select (select count(*) from repaired)::int as repaired, count(*) filter (where kept is not null)::int as kept, count(*)::int as looked from fate`;
}

/** Gives up on the first of the page, which is the guilty one. */
async function keepFirst(fill: Access, target: FillTarget, reason: KeptReason): Promise<RepairedPage> {
  await fill.query(
    'listing a row that could not be repaired',
    `update highwater.mismatch as m set kept = $3 where (m.migration_id, m.target_no) = ($1, $2) and m.key =
       (select key from highwater.mismatch where migration_id = $1 and target_no = $2 and sqlstate is null and kept is null order by key limit 1)`,
    [target.migrationId, target.targetNo, reason],
  );
  return { repaired: 0, kept: 1, left: true };
}
