import { HighwaterError, isHighwaterError, type ErrorCode } from '@highwater/kernel';
import { begunPhases, type Migration } from '@highwater/migration';
import { databaseError, drainGate, markOperation, openOperations, type StoredOperation } from '@highwater/target-db';
import { issue, projectState, streamOf, type ControlContext, type Issuer } from './context.js';
import { preflight } from './acts/preflight.js';
import { notReady, preflightFailed, stopped } from './codes.js';
import { enforcedAnswer } from './next-steps.js';
import type { ProcessState } from './process-state.js';
import { attemptUnderWay, phaseError } from './refusals.js';

const issuerOf = (operation: StoredOperation): Issuer => ({ actor: operation.actor, operationId: operation.id });
const reasonOf = (operation: StoredOperation): string => String(operation.request['reason'] ?? '');

/** How long an accepted cutover waits for a control process, or for a condition that came and went. */
const cutoverWaitMsMax = 60_000;
const gateVerbs: readonly string[] = ['pause', 'resume', 'halt'];

/** Started means: past preflight for good. */
const afterStart: readonly Migration['phase'][] = [...begunPhases, 'finished'];

/**
 * Carries out what can be done at once, oldest first; `start`, `cutover` and `finish` are only begun here, the process goes on with them.
 * An operation that fails says why and is over; an error of the environment leaves it open, so that it is tried again. Pause, resume and
 * halt keep their order even then: a resume that is tried again must not undo the pause that was asked for after it.
 */
export async function carryOut(
  context: ControlContext,
  process: ProcessState,
  operations: readonly StoredOperation[],
): Promise<void> {
  const unsettled = new Set<string>();
  for (const operation of operations) {
    const ordered = gateVerbs.includes(operation.verb);
    // a halt overtakes a pause that is still being waited for; a resume overtakes nothing, and nothing overtakes a resume
    if (ordered && (unsettled.has('resume') || (operation.verb === 'resume' && unsettled.size > 0))) continue;
    try {
      if ((await carryOutOne(context, process, operation, operations)) === 'later' && ordered)
        unsettled.add(operation.verb);
    } catch (error) {
      if (!isHighwaterError(error) || error.retry !== 'never') {
        if (ordered) unsettled.add(operation.verb);
        context.logger.warn({ migrationId: process.id, verb: operation.verb, err: error }, 'operation is tried again');
        continue;
      }
      await fail(context, operation, error);
    }
  }
}

export async function fail(context: ControlContext, operation: StoredOperation, error: unknown): Promise<void> {
  const known = databaseError(error, operation.verb); // an untyped one is a driver's, and its text may quote a value
  await markOperation(context.database.state, operation.id, 'failed', {
    error: { code: known.code, message: known.message, ...(known.help === undefined ? {} : { help: known.help }) },
  });
}

/** A finished migration has no process any more that could carry out what is still open. */
export async function failOpen(context: ControlContext, id: string): Promise<void> {
  const { state } = await context.runner.state(streamOf(id));
  if (state.phase !== 'finished') return;
  for (const operation of await openOperations(context.database.state, id))
    await fail(context, operation, phaseError(id, operation.verb, state));
}

async function carryOutOne(
  context: ControlContext,
  process: ProcessState,
  operation: StoredOperation,
  open: readonly StoredOperation[],
): Promise<'later' | undefined> {
  const { state: access } = context.database;
  const gate = { migrationId: process.id, short: process.short };
  const by = issuerOf(operation);
  const done = async (result: unknown = {}): Promise<undefined> => {
    await markOperation(access, operation.id, 'succeeded', { result });
  };
  switch (operation.verb) {
    case 'plan': {
      // carried out by whoever accepted it; only its mark may be missing
      const { state } = await context.runner.state(streamOf(process.id));
      if (state.phase !== 'none') await done({ migration: process.id, planHash: state.planHash });
      return;
    }
    case 'preflight': {
      const { checks, failures, warnings } = await preflight(context, process, by);
      await done({ checks, failures, warnings });
      return;
    }
    case 'start': {
      const { state } = await context.runner.state(streamOf(process.id));
      if (afterStart.includes(state.phase)) return done({ phase: state.phase });
      if (operation.status === 'accepted') await markOperation(access, operation.id, 'running');
      if (state.phase === 'preflighted') return; // the process expands next, and the phase says when it did
      const { failures } = await preflight(context, process, by);
      if (failures.length > 0)
        throw new HighwaterError(
          preflightFailed,
          'never',
          `preflight of "${process.id}" failed: ${failures.map((one) => `${one.check}: ${one.message}`).join('; ')}`,
          { checks: failures.map((one) => one.check) },
          failures.flatMap(({ help }) => (help === undefined ? [] : [help])).join('; ') || undefined,
        );
      return;
    }
    case 'pause':
    case 'halt': {
      const state = await issue(
        context,
        process.id,
        operation.verb === 'pause' ? 'Pause' : 'Halt',
        { reason: reasonOf(operation) },
        by,
      );
      // the event's projection closed the gate; acknowledged only when no write that began before can still commit (G9)
      await drainGate(access, gate, state.pause === 'halted' ? ['sweep', 'live'] : ['sweep']);
      // a cutover under way ends itself and takes its check back; until then something of ours may still be put in force
      if (state.phase === 'cutting-over') return 'later';
      return done({ pause: state.pause });
    }
    case 'resume': {
      const rollback = open.find((one) => one.verb === 'rollback');
      if (rollback) throw attemptUnderWay(process.id, rollback.id, 'rollback'); // a gate that opens now would fill what was just taken back
      const state = await issue(context, process.id, 'Resume', { reason: reasonOf(operation) }, by);
      return done({ pause: state.pause });
    }
    case 'set': {
      const limits = (operation.request['limits'] ?? {}) as Record<string, number>;
      const state = await issue(context, process.id, 'ChangeLimits', { limits }, by);
      return done({ limits: state.limits });
    }
    case 'hold':
    case 'release':
    case 'approve': {
      const type = ({ hold: 'Hold', release: 'Release', approve: 'Approve' } as const)[operation.verb];
      const of = operation.request['rowSecurity'] === true ? ('rowSecurity' as const) : undefined;
      const data = { reason: reasonOf(operation), ...(of === undefined ? {} : { of }) };
      const state = await issue(context, process.id, type, data, by);
      const approvals = of === undefined ? state.approvals : state.rowSecurityApprovals;
      return done({ held: state.held, approvals: approvals.length });
    }
    case 'verify':
    case 'retry':
      return; // a loop of their own
    case 'unenforce': {
      const { state } = await context.runner.state(streamOf(process.id));
      if (state.phase === 'none') return;
      if (!state.targets.some((target) => target.enforcement === 'enforced')) return done({ tables: [] });
      if (!['enforced', 'bridged'].includes(state.phase)) throw phaseError(process.id, 'unenforce', state);
      if (operation.status === 'accepted') await markOperation(access, operation.id, 'running');
      return; // the act follows
    }
    case 'cutover': {
      const { state, version } = await context.runner.state(streamOf(process.id));
      if (state.phase === 'enforced') return done(enforcedAnswer(process.plan));
      if (operation.status === 'accepted') await markOperation(access, operation.id, 'running');
      if (state.phase !== 'none') await projectState(context, process.id, state, version);
      if (state.phase === 'none' || state.phase === 'cutting-over' || process.cutoverOperationId === operation.id)
        return;
      // its attempt is over, and whoever made it did not live to say so: it is not begun again without being asked for
      if (state.cutoverFailure?.operationId === operation.id)
        throw new HighwaterError(
          state.cutoverFailure.code as ErrorCode,
          'never',
          state.cutoverFailure.message,
          { migration: process.id, attempt: state.cutoverFailure.attempt },
          'read /cutover/readiness again and decide again',
        );
      if (state.pause !== 'running')
        throw new HighwaterError(
          stopped,
          'never',
          `cutover of "${process.id}" was not begun: it was ${state.pause} first`,
          { migration: process.id, pause: state.pause },
          'resume, read /cutover/readiness again and decide again',
        );
      // it was ready when it was accepted; what becomes ready long after was never looked at by whoever asked
      if (operation.ageMs > cutoverWaitMsMax)
        throw new HighwaterError(
          notReady,
          'never',
          `cutover of "${process.id}" did not begin within ${cutoverWaitMsMax / 1000} s of its acceptance: it was ready then and is not now`,
          { migration: process.id, phase: state.phase },
          'read /cutover/readiness again and decide again',
        );
      return;
    }
    case 'rollback': {
      const { state } = await context.runner.state(streamOf(process.id));
      if (state.phase === 'finished' && state.outcome === 'rolled-back')
        return done({ undone: state.undone, kept: state.kept, leftovers: state.leftovers });
      if (operation.status === 'accepted') await markOperation(access, operation.id, 'running');
      return; // the act follows, after a cutover that is under way
    }
    case 'finish': {
      const { state } = await context.runner.state(streamOf(process.id));
      if (state.phase === 'finished') return done({ leftovers: state.leftovers });
      if (operation.status === 'accepted') await markOperation(access, operation.id, 'running');
      return;
    }
    default:
      throw new HighwaterError(
        'HW6014',
        'never',
        `operation "${operation.verb}" is not one that this version carries out`,
        { verb: operation.verb },
      );
  }
}
