import { journalKey } from '../fill/journal.js';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import { statementMs } from '../fill/time-held.js';
import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import type { FillTarget } from '../target.js';
import { lockRollback, moveRollback } from './progress.js';

export interface UnfilledPage {
  readonly undone: number;
  readonly done: boolean;
  /** Rows of the page that somebody holds: it is looked at again. */
  readonly held: number;
  /** Rows for the next page. */
  readonly rows: number;
}

const rowsMax = 5_000;

/**
 * One page of the journal backwards: sets NULL exactly the rows that still hold the value we entered last, and moves on behind them, in
 * one commit. A row that the application changed since, or wrote itself, is never among them. Held rows are never waited for. The gate is
 * closed and the bridge is gone, so nobody enters anything meanwhile.
 */
export async function unfillPage(
  fill: Access,
  target: FillTarget,
  rows: number,
  rowBudgetMs: number,
): Promise<UnfilledPage> {
  const doing = `taking values back in ${target.derivation.table.ident}`;
  const began = performance.now();
  try {
    const page = await fill.transaction(doing, (client) => unfillOnce(client, target, rows, rowBudgetMs, 'all'));
    const fits = performance.now() - began < rowBudgetMs / 2;
    return { ...page, rows: Math.max(1, Math.min(rowsMax, fits ? rows * 2 : rows)) };
  } catch (error) {
    const refused = rowRefusal(error) !== undefined;
    if (!refused && !isTransient(error)) throw databaseError(error, doing);
    if (rows > 1) return { undone: 0, done: false, held: refused ? 0 : 1, rows: Math.max(1, Math.floor(rows / 8)) };
    if (!refused) return { undone: 0, done: false, held: 1, rows: 1 };
    // the team's own constraint or trigger wants the value: it stays
    const page = await fill.transaction(doing, (client) => unfillOnce(client, target, 1, rowBudgetMs, 'none'));
    return { ...page, rows: 64 };
  }
}

async function unfillOnce(
  client: Client,
  target: FillTarget,
  rows: number,
  rowBudgetMs: number,
  which: 'all' | 'none',
): Promise<Omit<UnfilledPage, 'rows'>> {
  const at = await lockRollback(client, target.migrationId, 'values', target.targetNo);
  if (!at || at.done) return { undone: 0, done: true, held: 0 };
  await client.query(
    `set local lock_timeout = 50; set local statement_timeout = ${statementMs(rowBudgetMs)}; set local enable_seqscan = off; set local jit = off`,
  );
  const values = [target.migrationId, target.targetNo, at.cursor, rows];
  const { rows: first } = await client.query<{
    undone: number;
    takenBack: number;
    looked: number;
    last: string[] | null;
  }>(unfillStatement(target, which), values);
  const { undone, takenBack, looked, last } = first[0] ?? { undone: 0, takenBack: 0, looked: 0, last: null };
  // on a snapshot of its own: what is left of the page was held, or is not what we entered
  const { rows: second } = await client.query<{ held: number; changed: number }>(leftStatement(target), values);
  const { held, changed } = second[0] ?? { held: 0, changed: 0 };
  // a trigger of the team that gives the value back wants it: only what was not written at all is held by somebody
  const wait = which === 'all' && held > takenBack;
  const done = !wait && looked < rows;
  await moveRollback(client, target.migrationId, 'values', target.targetNo, {
    cursor: wait ? at.cursor : (last ?? at.cursor),
    undone,
    kept: wait ? 0 : changed + held,
    done,
  });
  return { undone, done, held: wait ? held - takenBack : 0 };
}

/** `$1`, `$2` migration and target, `$3` the key behind which to go on, `$4` rows at most. */
const page = `page as materialized (
  select distinct on (j.key) j.key, j.value from highwater.journal as j
   where j.migration_id = $1::text and j.target_no = $2::int and ($3::text[] is null or j.key > $3::text[])
   order by j.key, j.entry_no desc limit $4::int
)`;

const sameKey = ({ derivation: { key } }: FillTarget, row: string, entry: string): string =>
  key.map((k, i) => `${row}.${k.ident} = (${entry}.key)[${i + 1}]::${k.type}`).join(' and ');

/** Exported for the dry run, which prints it. */
export function unfillStatement(target: FillTarget, which: 'all' | 'none' = 'all'): string {
  const { table, target: column, key } = target.derivation;
  const stored = (alias: string): string => `${alias}.${column.ident}::pg_catalog.text`;
  return `with ${page}, locked as materialized (
  select ${journalKey(target, 'r')} as key, p.value from page as p join ${table.ident} as r on ${sameKey(target, 'r', 'p')}
   where ${stored('r')} = p.value${which === 'none' ? ' and false' : ''} order by ${key.map((k) => `r.${k.ident}`).join(', ')} for no key update of r skip locked
), undone as (
  update ${table.ident} as t set ${column.ident} = null from locked as l where ${sameKey(target, 't', 'l')} and ${stored('t')} = l.value
  returning t.${column.ident} is null as empty
)
select (select count(*) from undone where empty)::int as undone, (select count(*) from undone where not empty)::int as "takenBack", (select count(*) from page)::int as looked,
       (select to_json(key) from page order by key desc limit 1) as last`;
}

const leftStatement = (target: FillTarget): string => {
  const { table, target: column } = target.derivation;
  const stored = `r.${column.ident}::pg_catalog.text`;
  return `with ${page} select count(*) filter (where ${stored} = p.value)::int as held, count(*) filter (where ${stored} <> p.value)::int as changed
  from page as p join ${table.ident} as r on ${sameKey(target, 'r', 'p')}`;
};

/**
 * How many rows still hold what we entered and how many do not, for the dry run; undefined when the server does not answer in time.
 */
export async function countJournaled(
  fill: Access,
  target: FillTarget,
  timeoutMs: number,
): Promise<{ readonly held: number; readonly changed: number } | undefined> {
  try {
    return await fill.transaction('counting values of the journal', async (client) => {
      await client.query(`set local statement_timeout = ${timeoutMs}; set transaction read only`);
      const values = [target.migrationId, target.targetNo, null, null];
      const { rows } = await client.query<{ held: number; changed: number }>(leftStatement(target), values);
      return rows[0];
    });
  } catch (error) {
    if (isSqlstate(error, sqlstate.queryCanceled)) return undefined;
    throw databaseError(error, 'counting values of the journal');
  }
}
