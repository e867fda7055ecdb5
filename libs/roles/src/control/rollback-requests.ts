import type { LiveMigration } from '@highwater/migration';
import { openOperations } from '@highwater/target-db';
import { describeRollback } from '../setup/describe-rollback.js';
import type { ControlContext } from './context.js';
import type { CommandContext, LockLimits, Operation, PlannedStep } from './port.js';
import { attemptUnderWay, phaseError } from './refusals.js';
import type { Requests } from './requests.js';
import { resolveOrRemember } from './resolve.js';

/**
 * From every phase, after `finish` too; once, and not while a cutover attempt runs. Before the start it takes the plan back and nothing else,
 * since nothing else is there.
 */
export async function askForRollback(
  context: ControlContext,
  requests: Requests,
  id: string,
  state: LiveMigration,
  input: LockLimits,
  by: CommandContext,
): Promise<Operation> {
  const request = { ...input, reason: by.reason ?? '' };
  const earlier = await requests.earlier(id, 'rollback', request, by);
  if (earlier) return earlier;
  if (state.phase === 'finished' && state.outcome === 'rolled-back') throw phaseError(id, 'rollback', state);
  const open = await openOperations(context.database.state, id);
  const attempt = open.find((one) => one.verb === 'cutover');
  if (attempt || state.phase === 'cutting-over')
    throw attemptUnderWay(id, attempt?.id ?? (state.phase === 'cutting-over' ? state.operationId : ''));
  await notWhileRollingBack(context, id, 'rollback');
  return requests.ask(id, 'rollback', request, by);
}

/** What it would do now, with statements and counts. */
export async function rollbackSteps(
  { database }: ControlContext,
  id: string,
  { planSource }: LiveMigration,
): Promise<readonly PlannedStep[]> {
  return describeRollback(database, await resolveOrRemember(database.state, { id, planSource }), id);
}

/** What is half taken back is nobody's to go on with; to stop what still runs is always right. */
export async function notWhileRollingBack({ database }: ControlContext, id: string, verb: string): Promise<void> {
  if (['pause', 'halt', 'set'].includes(verb)) return;
  const rollback = (await openOperations(database.state, id)).find((one) => one.verb === 'rollback');
  if (rollback) throw attemptUnderWay(id, rollback.id, 'rollback');
}
