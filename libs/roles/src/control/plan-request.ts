import { HighwaterError } from '@highwater/kernel';
import { markOperation, registerMigration, storeCatalog } from '@highwater/target-db';
import * as codes from './codes.js';
import { issue, type ControlContext } from './context.js';
import type { CommandContext, Operation } from './port.js';
import type { Requests } from './requests.js';
import { readPlan, resolvePlan, shortOf } from './resolve.js';

/**
 * Plans a migration, at once: nothing runs yet that could carry the request out. Asked again with the same idempotency key it answers the first
 * operation. Errors: PlanRejected, HighwaterError.
 */
export async function planMigration(
  context: ControlContext,
  requests: Requests,
  allowed: { readonly assertions: boolean },
  source: string,
  by: CommandContext,
): Promise<Operation> {
  const { state: access } = context.database;
  const { parsed } = readPlan(source);
  const id = parsed.plan.migration;
  if (by.ownProcess !== true && !allowed.assertions && Object.keys(parsed.plan.assertions).length > 0)
    throw new HighwaterError(
      codes.assertionsRefused,
      'never',
      `plan "${id}" refused: it has assertions, which are SQL, and this service takes no SQL over its API`,
      { migration: id },
      'set HIGHWATER_ALLOW_ASSERTIONS=yes where the service runs, use `highwater run`, or take them out of the plan',
    );
  const operation = await requests.ask(id, 'plan', { planHash: parsed.hash }, by);
  if (operation.status !== 'accepted') return operation;
  try {
    const { plan, targets, catalog } = await resolvePlan(access, source);
    const short = shortOf(id);
    await registerMigration(access, { id, short, planSource: source, planHash: parsed.hash });
    await storeCatalog(access, id, catalog);
    await issue(
      context,
      id,
      'Plan',
      {
        planHash: parsed.hash,
        planSource: source,
        short,
        tables: targets.map(({ derivation, targetNo }) => ({
          table: `${derivation.table.schema}.${derivation.table.name}`,
          target: derivation.target.name,
          notNull: plan.tables[targetNo]?.notNull ?? true,
        })),
        mode: plan.cutover.mode,
        stream: plan.stream !== null,
        cutoverStart: plan.cutover.start,
        windowMs: plan.cutover.windowMs,
        approvals: plan.approvals,
        limits: plan.limits,
      },
      { actor: by.actor.name, operationId: operation.id },
    );
    await markOperation(access, operation.id, 'succeeded', { result: { migration: id, planHash: parsed.hash } });
  } catch (error) {
    if (error instanceof HighwaterError)
      await markOperation(access, operation.id, 'failed', {
        error: {
          code: error.code,
          message: error.message,
          ...(error.help === undefined ? {} : { help: error.help }),
        },
      });
    throw error;
  }
  return operation;
}
