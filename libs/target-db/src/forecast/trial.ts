import type pg from 'pg';
import { formatDuration } from '@highwater/kernel';
import { readTriggers, relationSizes } from '../catalog/facts.js';
import { isTransient, rowRefusal } from '../fill/row-error.js';
import { fillRows, lockChunk, type RowNaming } from '../fill/statements.js';
import type { Access, Client } from '../session/database.js';
import { databaseError } from '../session/errors.js';
import { sqlstateOf } from '../session/sqlstate.js';
import { readSweepFacts } from '../sweep/row-naming.js';
import type { FillTarget } from '../target.js';

/** What filling one target will cost. */
export interface FillEstimate {
  /** `public.Group`. */
  readonly table: string;
  readonly target: string;
  /** Rows to be filled, as foreseen. */
  readonly rows: number;
  /** Rows that were written and rolled back; null: nothing is known, `note` says why. */
  readonly rowsTried: number | null;
  /** With one worker and without pauses, pacing of vacuum and retries. */
  readonly durationMs: number | null;
  readonly walBytes: number | null;
  /** At most: each row a new version, and no space used again. */
  readonly growthBytes: number | null;
  readonly note: string | null;
}

/** Fewer when those take too long or one of them is refused. */
const rowsTried = [500, 50, 5] as const;
const lockTimeoutMs = 50;
const statementMsMax = 200;

/**
 * Writes a few rows as the sweep would and rolls them back: rows that nobody holds, for less than the row budget. What is left behind are dead row versions
 * and their WAL. Not where triggers would do more than the plan accepts.
 *
 * @param rows to be filled, as foreseen.
 */
export async function estimateFill(
  fill: Access,
  target: FillTarget,
  rows: number,
  plan: { readonly accept: readonly string[]; readonly rowBudgetMs: number },
): Promise<FillEstimate> {
  const { table, target: column } = target.derivation;
  const known = { table: `${table.schema}.${table.name}`, target: column.name, rows };
  const unknown = (note: string): FillEstimate => ({
    ...known,
    rowsTried: null,
    durationMs: null,
    walBytes: null,
    growthBytes: null,
    note,
  });
  if (!table.columns.has(column.name)) return unknown('the column is added at expand');
  if (rows === 0)
    return { ...unknown('there is nothing to fill'), rowsTried: 0, durationMs: 0, walBytes: 0, growthBytes: 0 };
  const triggers = (await readTriggers(fill, [table.relid])).filter(({ update, enabled }) => update && enabled !== 'D');
  if (triggers.length > 0 && !plan.accept.includes('TriggerOnUpdate'))
    return unknown(
      `triggers fire on each update, and the plan does not accept them: ${triggers.map(({ name }) => name).join(', ')}`,
    );
  const { naming } = await readSweepFacts(fill, target);
  const statementMs = Math.min(plan.rowBudgetMs, statementMsMax);
  let why = '';
  for (const limit of rowsTried) {
    const tried = await tryRows(fill, target, { naming, limit, statementMs });
    if (typeof tried === 'string') {
      why = tried;
      continue;
    }
    if (tried.rows === 0)
      return unknown('no row could be tried: none without a value could be locked at once, or the first ones get none');
    const [size] = await relationSizes(fill, [table.relid]);
    const perRow = size && size.rowsEstimated > 0 ? Number(size.heapBytes) / size.rowsEstimated : null;
    return {
      ...known,
      rowsTried: tried.rows,
      durationMs: Math.round((tried.ms / tried.rows) * rows),
      walBytes: Math.round((tried.walBytes / tried.rows) * rows),
      growthBytes: perRow === null ? null : Math.round(perRow * rows),
      note: perRow === null ? 'the growth is unknown: the table was never analysed' : null,
    };
  }
  return unknown(why);
}

interface Tried {
  readonly rows: number;
  readonly ms: number;
  readonly walBytes: number;
}

/** Answers why not, where the rows cannot be written as they are. */
async function tryRows(
  fill: Access,
  target: FillTarget,
  { naming, limit, statementMs }: { naming: RowNaming; limit: number; statementMs: number },
): Promise<Tried | string> {
  const doing = `estimating the fill of ${target.derivation.table.ident}`;
  try {
    return await fill.session(doing, async (client) => {
      await client.query(
        `begin isolation level read committed; set local lock_timeout = ${lockTimeoutMs}; set local statement_timeout = ${statementMs}; set local enable_seqscan = off; set local enable_mergejoin = off; set local jit = off`,
      );
      try {
        return await writeSome(client, target, naming, limit);
      } finally {
        await client.query('rollback');
      }
    });
  } catch (error) {
    const refused = rowRefusal(error);
    if (refused) return `one of the rows tried is refused: ${refused.reason} (SQLSTATE ${sqlstateOf(error) ?? 'none'})`;
    if (isTransient(error)) return `even ${limit} rows take longer than ${formatDuration(statementMs)}`;
    // a value of a plan with a journal is written with its entry
    if (sqlstateOf(error) === '42P01') return 'schema highwater is not there yet: highwater init';
    throw databaseError(error, doing);
  }
}

async function writeSome(client: Client, target: FillTarget, naming: RowNaming, limit: number): Promise<Tried> {
  const locked: pg.QueryResult<Record<string, unknown>> = await client.query(lockChunk(target, [], naming, limit));
  const [row] = locked.rows;
  if (!row || Number(row['locked']) === 0) return { rows: 0, ms: 0, walBytes: 0 };
  const named = naming === 'ctid' ? [row['ids']] : target.derivation.key.map((_, i) => row[`k${i}`]);
  const { rows } = await client.query<{ 'QUERY PLAN': readonly [Explained] }>(
    `explain (analyze, wal, timing off, format json) ${fillRows(target, naming)}`,
    named,
  );
  const [explained] = rows[0]?.['QUERY PLAN'] ?? [];
  if (!explained) throw new Error('invariant broken: explain answers');
  return {
    rows: updated(explained.Plan),
    ms: explained['Execution Time'],
    walBytes: largest(explained.Plan, 'WAL Bytes'),
  };
}

/** Rows that were locked may have no value; what they cost is the written ones' too. */
const updated = (node: PlanNode): number =>
  node['Operation'] === 'Update'
    ? Number(node['Actual Rows'] ?? 0)
    : Math.max(0, ...(node.Plans ?? []).map((below) => updated(below)));

interface PlanNode {
  readonly [name: string]: unknown;
  readonly Plans?: readonly PlanNode[];
}
interface Explained {
  readonly Plan: PlanNode;
  readonly 'Execution Time': number;
}

/** A node counts what is below it too. */
const largest = (node: PlanNode, name: string): number =>
  Math.max(Number(node[name] ?? 0), ...(node.Plans ?? []).map((below) => largest(below, name)));
