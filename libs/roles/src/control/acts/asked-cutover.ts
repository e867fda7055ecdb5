import { HighwaterError, isHighwaterError, type ErrorCode } from '@highwater/kernel';
import type { LiveMigration, Readiness } from '@highwater/migration';
import { markOperation, openOperations, type StoredOperation } from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import * as codes from '../codes.js';
import { runCommand, service, streamOf, type ControlContext, type Issuer } from '../context.js';
import { enforcedAnswer } from '../next-steps.js';
import { fail } from '../operations.js';
import type { ProcessState } from '../process-state.js';
import { UseCases } from '../use-cases.js';
import { budgetOf } from './budget.js';
import { cutOver } from './cutover.js';

const movedOn: readonly ErrorCode[] = [codes.notReady, codes.staleGeneration];

/** What the control process knows at the moment it acts. */
export interface AttemptKnown {
  readonly readiness: Readiness | undefined;
  readonly schemaChanged: () => boolean;
  readonly ended: AbortSignal;
}

/** Begins the attempt that an operation asked for, or goes on with the one under way, and tells the operation how it ended. */
export async function carryOutCutover(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  operationId: string,
  known: AttemptKnown,
): Promise<void> {
  const access = context.database.state;
  const operation = (await openOperations(access, process.id)).find((one) => one.id === operationId);
  const by: Issuer = { actor: operation?.actor ?? service.actor, operationId };
  const begun = state.phase === 'cutting-over' ? state : await begin(context, process.id, operation, by, known);
  if (!begun) return;
  process.cutoverOperationId = operationId;
  const budget = budgetOf(begun, known.ended, {
    lockBudgetMs: numberOf(operation?.request['lockBudgetMs']),
    lockAttempts: numberOf(operation?.request['lockAttempts']),
  });
  try {
    await cutOver(context, process, begun, by, budget, known.ended, () => whyStop(context, process.id, known));
    if (operation) await markOperation(access, operation.id, 'succeeded', { result: enforcedAnswer(process.plan) });
  } catch (error) {
    if (known.ended.aborted) throw error;
    // still cutting over: an outcome is unknown, or a check could not be taken back. Nothing is decided yet, so the operation goes on
    const { state: now } = await context.runner.state(streamOf(process.id));
    if (now.phase === 'cutting-over') throw error;
    await failpoint('cutover.afterFailed');
    if (operation) await fail(context, operation, error);
    context.logger.warn({ migrationId: process.id, err: error }, 'cutover attempt failed');
  } finally {
    process.cutoverOperationId = undefined;
  }
}

async function begin(
  context: ControlContext,
  id: string,
  operation: StoredOperation | undefined,
  by: Issuer,
  { readiness }: AttemptKnown,
): Promise<LiveMigration | undefined> {
  if (!readiness) return undefined;
  const asked = String(operation?.request['generation'] ?? '');
  const ran = await runCommand(
    context,
    id,
    'CutOver',
    {
      operationId: by.operationId ?? '',
      reason: String(operation?.request['reason'] ?? ''),
      // the request was checked against the generation it saw when it was accepted; here only being ready still counts
      expectedGeneration: asked && readiness.ready ? readiness.generation : asked,
      generation: readiness.generation,
      conditions: readiness.conditions,
    },
    by,
  );
  if (!('refusal' in ran)) return ran.state;
  if (ran.refusal.refused === 'AttemptOver') return undefined; // the operation is told how, see operations.ts
  const unmet = JSON.stringify(ran.refusal.detail);
  if (operation)
    await fail(
      context,
      operation,
      new HighwaterError(codes.notReady, 'never', `cutover refused: ${ran.refusal.refused} ${unmet}`),
    );
  return undefined;
}

/** A pause, a halt or a changed schema ends an attempt: whoever stops everything does not want it enforced a second later. */
async function whyStop(
  context: ControlContext,
  id: string,
  { schemaChanged }: AttemptKnown,
): Promise<HighwaterError | undefined> {
  const { state } = await context.runner.state(streamOf(id));
  if (state.phase !== 'cutting-over') return undefined;
  const why =
    state.pause !== 'running'
      ? `it was ${state.pause} by the operator`
      : schemaChanged()
        ? 'a table or column of the plan was changed meanwhile'
        : undefined;
  if (why === undefined) return undefined;
  return new HighwaterError(
    codes.cutoverStopped,
    'never',
    `attempt ${state.attempt} of "${id}" was ended before it was through: ${why}`,
    { migration: id, attempt: state.attempt },
    'resume, or restore the schema, then ask for the cutover again',
  );
}

/**
 * The cutover of a plan that says `start: auto`, asked for as anybody would ask: same checks, same generation, an operation that shows.
 * Refused means that readiness moved on since it was seen; then the next round sees what is there now.
 */
export async function askForCutover(context: ControlContext, id: string, generation: string): Promise<void> {
  try {
    await new UseCases(context).cutover(
      id,
      { generation },
      { actor: { name: 'service', method: 'service' }, reason: 'cutover.start: auto' },
    );
  } catch (error) {
    if (!isHighwaterError(error) || !movedOn.includes(error.code)) throw error;
  }
}

const numberOf = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);
