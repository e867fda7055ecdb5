import { isHighwaterError } from '@highwater/kernel';
import type { LiveMigration, TargetName } from '@highwater/migration';
import { markOperation, openOperations, unenforce, type StoredOperation } from '@highwater/target-db';
import { issue, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { fail } from '../operations.js';
import { phaseError } from '../refusals.js';
import { budgetOf } from './budget.js';

/** What an operation `unenforce` asks for; an attempt that does not get its lock fails the operation and names who stood in the way. */
export async function unenforceAsked(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  operationId: string,
  signal: AbortSignal,
): Promise<void> {
  const operation = (await openOperations(context.database.state, process.id)).find((one) => one.id === operationId);
  if (!operation) return;
  try {
    await unenforceAll(context, process, state, operation, signal);
  } catch (error) {
    // an unknown outcome (the connection was lost) leaves the operation open: the next look at the catalog tells
    if (signal.aborted || (isHighwaterError(error) && error.retry === 'reconcile')) throw error;
    context.logger.warn({ migrationId: process.id, err: error }, 'unenforce failed');
    await fail(context, operation, error);
  }
}

/**
 * Drops NOT NULL of every enforced target by bounded attempts; the bridge stays, so that old writers go on as before. What was dropped when
 * a table could not be locked stays dropped and is recorded: asking again goes on from there.
 */
async function unenforceAll(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  operation: StoredOperation,
  signal: AbortSignal,
): Promise<void> {
  const { database } = context;
  const { lockBudgetMs, lockAttempts, reason } = operation.request as Record<string, unknown>;
  const budget = budgetOf(state, signal, {
    lockBudgetMs: typeof lockBudgetMs === 'number' ? lockBudgetMs : undefined,
    lockAttempts: typeof lockAttempts === 'number' ? lockAttempts : undefined,
  });
  const dropped: TargetName[] = [];
  let failure: unknown;
  for (const target of process.targets) {
    const name = state.targets[target.targetNo];
    if (name?.enforcement !== 'enforced') continue;
    try {
      await unenforce(database, target, budget);
      dropped.push({ table: name.table, target: name.target });
    } catch (error) {
      failure = error;
      break;
    }
  }
  const by = { actor: operation.actor, operationId: operation.id };
  if (dropped.length > 0)
    await issue(context, process.id, 'RecordUnenforced', { tables: dropped, reason: textOf(reason) }, by);
  if (failure !== undefined) throw failure;
  await markOperation(database.state, operation.id, 'succeeded', { result: { tables: dropped } });
  // whoever asked to finish asked for an enforced migration
  for (const one of await openOperations(database.state, process.id)) {
    if (one.verb !== 'finish') continue;
    const { code, message } = phaseError(process.id, 'finish', { ...state, phase: 'bridged' } as LiveMigration);
    await markOperation(database.state, one.id, 'failed', { error: { code, message } });
  }
}

const textOf = (reason: unknown): string => (typeof reason === 'string' ? reason : '');
