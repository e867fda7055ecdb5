import type { Client } from '../session/database.js';
import { sqlstateOf } from '../session/sqlstate.js';
import type { FillTarget } from '../target.js';
import { keyColumns } from './key-text.js';
import { isTransient, rowRefusal, type RowRefusal } from './row-error.js';
import { rowsLeft } from './statements.js';

/**
 * The refusal of a row for which a function of the rule raised, rather than a trigger or a constraint. No SQL expression can catch what a
 * function raises, so the reason cannot say it either: the rule is asked again for the one row, without writing. Undefined when it answers, or has
 * no time to.
 */
export async function ruleRefusal(
  client: Client,
  target: FillTarget,
  key: readonly string[],
): Promise<RowRefusal | undefined> {
  if (target.derivation.functions === undefined) return undefined;
  await client.query('savepoint rule');
  try {
    await client.query(rowsLeft(target, 'key'), keyColumns([key], target.derivation.key.length));
    await client.query('release savepoint rule');
    return undefined;
  } catch (error) {
    const raised = rowRefusal(error) !== undefined;
    if (!raised && !isTransient(error)) throw error;
    await client.query('rollback to savepoint rule; release savepoint rule');
    return raised ? { reason: 'FunctionFailed', sqlstate: sqlstateOf(error) ?? null, constraint: null } : undefined;
  }
}
