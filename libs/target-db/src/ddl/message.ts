import { must, type MigrationId } from '@highwater/kernel';
import type { Ident } from '@highwater/derivation';

/** A change of the user's objects: sent as one simple-protocol message, so that a client that freezes holds nothing. */
export interface DdlStep {
  readonly migrationId: MigrationId;
  readonly targetNo: number | null;
  /** `expand`, `bridge`, `guard`, …: our own word, in highwater.ddl_step. */
  readonly name: string;
  /** For messages: the table's name. */
  readonly table: Ident;
  /** Locked first, in this order; all partitions come with a partitioned table. Empty: the statements take what they need. */
  readonly lock: readonly Ident[];
  readonly lockMode: 'ACCESS EXCLUSIVE' | 'SHARE ROW EXCLUSIVE';
  /** Whose lock holders are named when the lock is not obtained. */
  readonly relids: readonly number[];
  readonly statements: readonly string[];
}

/**
 * BEGIN … COMMIT as one text. `lock_timeout` is per lock, so a table with partitions could wait many times over: the deadline is
 * `statement_timeout`, reduced before each statement to what is left of the budget since BEGIN (statement_timeout applies to each
 * statement of a message separately, https://www.postgresql.org/docs/current/runtime-config-client.html).
 */
export function ddlMessage(step: DdlStep, lockBudgetMs: number, attempt: number): string {
  const budget = Math.max(20, Math.floor(lockBudgetMs));
  must(/^[a-z][a-z-]*$/.exec(step.name), `step name "${step.name}"`);
  must(/^[a-z][a-z0-9-]*$/.exec(step.migrationId), `migration id "${step.migrationId}"`);
  const remaining = `select set_config('statement_timeout', greatest(20, ${budget} - extract(epoch from clock_timestamp() - transaction_timestamp()) * 1000)::int::text, true)`;
  const lockedAt = `current_setting('highwater.locked_at')::timestamptz`;
  const timing = `extract(epoch from ${lockedAt} - transaction_timestamp()) * 1000 as lock_wait_ms, extract(epoch from clock_timestamp() - ${lockedAt}) * 1000 as held_ms`;
  return [
    'begin isolation level read committed',
    `set local lock_timeout = ${budget}`,
    `set local statement_timeout = ${budget}`,
    ...(step.lock.length > 0 ? [`lock table ${step.lock.join(', ')} in ${step.lockMode.toLowerCase()} mode`] : []),
    `select set_config('highwater.locked_at', clock_timestamp()::text, true)`,
    ...step.statements.flatMap((statement) => [remaining, statement]),
    `insert into highwater.ddl_step (migration_id, target_no, step, lock_mode, attempts, lock_wait_ms, held_ms)
       select '${step.migrationId}', ${step.targetNo ?? 'null'}, '${step.name}', '${step.lockMode}', ${attempt}, ${timing.replaceAll(/ as \w+/g, '')}`,
    `select ${timing}`,
    'commit',
  ].join(';\n');
}
