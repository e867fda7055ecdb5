import pg from 'pg';
import type { Client } from '../session/database.js';
import { gateStatements, type GateName } from '../gate/enter-gate.js';
import type { FillTarget } from '../target.js';

export interface FillBudget {
  /** Longest wait on a row an application may see from us. */
  readonly rowBudgetMs: number;
}

/** A wait inside the fill (a foreign key's parent, a unique key under way) ends long before anybody else's `deadlock_timeout`. */
const lockTimeoutMs = 50;
/** Lock and write together stay below half of the server's default `deadlock_timeout` (1 s), whatever the plan allows. */
const statementMsMax = 250;

/**
 * Opens the fill transaction in one message: gate first, then `more`, whose results follow the gate's. READ COMMITTED, so that the statement after
 * the lock sees what was locked. The rows are reached by key or ctid only: a sequential scan, or compiling the statement, would cost
 * more than the chunk.
 *
 * @returns undefined when the gate is closed; the transaction is rolled back then.
 */
export async function openFill(
  client: Client,
  target: Pick<FillTarget, 'short' | 'migrationId'>,
  gate: GateName,
  budget: FillBudget,
  more: readonly string[] = [],
): Promise<pg.QueryResult[] | undefined> {
  const statementMs = Math.max(1, Math.min(Math.round(budget.rowBudgetMs), statementMsMax));
  const begin = [
    'begin isolation level read committed',
    `set local lock_timeout = ${lockTimeoutMs}`,
    `set local statement_timeout = ${statementMs}`,
    'set local enable_seqscan = off',
    'set local enable_mergejoin = off',
    'set local jit = off',
    // no fill waits for the disk, and none makes the application's commits queue behind its flush. Sweep: rows and cursor are one commit, a
    // crash loses both or none, and whatever durably says that the sweep is done lies behind it in WAL. Live fill has its offsets in
    // Kafka: they are committed after a `CommitWitness` has flushed
    'set local synchronous_commit = off',
  ];
  const text = [...begin, ...gateStatements(target, gate), ...more].join('; ');
  const results = (await client.query(text)) as unknown as pg.QueryResult[];
  const gateAt = begin.length + 1;
  if ((results[gateAt]?.rows[0] as { open?: boolean } | undefined)?.open === true) return results.slice(gateAt + 1);
  await client.query('rollback');
  return undefined;
}

/** Runs `work`; whatever it throws, the transaction is rolled back first, so that the session can be used again. */
export async function orRollBack<T>(client: Client, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await client.query('rollback').catch(() => undefined);
    throw error;
  }
}

/** Text as an SQL literal, for the parameterless messages. */
export const literal = (value: string | null): string => (value === null ? 'null' : pg.escapeLiteral(value));
