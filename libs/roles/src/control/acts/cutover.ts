import { HighwaterError, isHighwaterError } from '@highwater/kernel';
import {
  enforcementFound,
  nextCutoverStep,
  nextUndoStep,
  noProofs,
  sameTarget,
  type CutoverProofs,
  type CutoverStep,
  type DdlStep,
  type LiveMigration,
  type TargetName,
} from '@highwater/migration';
import {
  catalogFacts,
  countNulls,
  dropGuard,
  guardTable,
  readDdlSteps,
  readFillProgress,
  setNotNull,
  validateGuard,
  type DdlBudget,
  type FillTarget,
} from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import * as codes from '../codes.js';
import { issue, runCommand, streamOf, type ControlContext, type Issuer } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { waitUntil } from '../wait-until.js';
import { currentFence, isReached, roundTripMs, writeFence } from './fence.js';
import { buildFinishers, replaceForeignKeys } from './finishers.js';
import { watchForStop, type AskToStop } from './stop-watch.js';
import { startTailPass } from './sweep.js';

/*
 * One attempt, table by table in plan order (DESIGN section 9, steps 2 to 6). Nothing here is remembered that matters: after a crash the
 * next controller finds phase cutting-over, reads the catalog and goes on with whatever step follows from it.
 *
 *   fence ─▶ drain ─▶ guard ─▶ validate ─▶ setNotNull ─▶ next table … ─▶ finishers ─▶ CutoverCompleted
 *     ▲          a NULL behind the lock: all rolled back │
 *     └──────────────────────────────────────────────────┘
 *
 * Paused, halted, or the schema changed under it: the step under way ends (a VALIDATE is cancelled), the check is taken back, and the
 * attempt has failed. What is enforced already stays enforced.
 */

/** A filler that died keeps its partitions for its session, and its group then a moment longer: both go by before a fence can come back. */
const fenceLimitMs = 60_000;
const drainLimitMs = 60_000;
/** Rounds of one table: a NULL that comes back each time is a writer that the bridge does not reach. */
const roundsMax = 5;

interface Attempt {
  readonly context: ControlContext;
  readonly process: ProcessState;
  readonly number: number;
  readonly by: Issuer;
  readonly budget: DdlBudget;
  /** Ends with the process, and when the attempt must not go on. */
  readonly signal: AbortSignal;
}

export async function cutOver(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  by: Issuer,
  budget: DdlBudget,
  ended: AbortSignal,
  askToStop: AskToStop,
): Promise<void> {
  const watch = await watchForStop(askToStop, ended);
  const { signal } = watch;
  const attempt: Attempt = {
    context,
    process,
    number: state.cutoverAttempts,
    by,
    budget: { ...budget, signal },
    signal,
  };
  let turn: FillTarget | undefined;
  try {
    await failpoint('cutover.afterBegan');
    await replaceForeignKeys(attempt);
    for (const target of process.targets) {
      if (process.plan.tables[target.targetNo]?.notNull === false) continue;
      turn = target;
      await enforceTable(attempt, target);
    }
    turn = undefined;
    await buildFinishers(attempt);
    await issue(context, process.id, 'CompleteCutover', { attempt: attempt.number }, by);
  } catch (error) {
    ended.throwIfAborted(); // the end of the process is no failure: the next controller goes on
    const { state: now } = await context.runner.state(`migration/${process.id}`);
    if (now.phase === 'cutting-over' && now.attempt !== attempt.number) throw error; // another process is at work; nothing here is ours to undo
    const cause = watch.reason() ?? error;
    await recordFailure({ ...attempt, budget: { ...budget, signal: ended }, signal: ended }, turn, cause);
    throw cause;
  } finally {
    watch.stop();
  }
}

async function enforceTable(attempt: Attempt, target: FillTarget): Promise<void> {
  const { context, process } = attempt;
  let proofs = noProofs;
  let rounds = 0;
  for (;;) {
    attempt.signal.throwIfAborted();
    const { state } = await context.runner.state(`migration/${process.id}`);
    if (state.phase !== 'cutting-over' || state.attempt !== attempt.number)
      throw new HighwaterError(
        codes.cutoverFailed,
        'never',
        `attempt ${attempt.number} of "${process.id}" is over; another process ended it`,
        { migration: process.id, attempt: attempt.number, phase: state.phase },
      );
    const facts = await catalogFacts(context.database.ddl, target);
    const step = nextCutoverStep(facts, { bridge: state.mode === 'bridge', fence: state.streamPlanned }, proofs);
    if (state.unknown)
      await issue(
        context,
        process.id,
        'ReconcileCutover',
        {
          attempt: attempt.number,
          table: nameOf(target),
          found: enforcementFound(facts),
        },
        attempt.by,
      );
    if (step.step === 'done') {
      await recordEnforced(attempt, target);
      await failpoint('cutover.afterEnforced');
      return;
    }
    if (step.step === 'guard' && (rounds += 1) > roundsMax)
      throw nullsLeft(target, await countNulls(context.database.fill, target));
    proofs = await takeStep(attempt, target, step, proofs, state);
  }
}

async function takeStep(
  attempt: Attempt,
  target: FillTarget,
  step: Exclude<CutoverStep, { step: 'done' }>,
  proofs: CutoverProofs,
  state: LiveMigration,
): Promise<CutoverProofs> {
  const { context, budget } = attempt;
  const { database } = context;
  try {
    switch (step.step) {
      case 'stop':
        throw new HighwaterError(
          codes.cutoverFailed,
          'never',
          step.reason === 'BridgeMissing'
            ? `the bridge of ${target.derivation.table.ident} is gone or disabled; old writers would break at enforcement`
            : `a check with our name on ${target.derivation.table.ident} was not made by this migration`,
          { table: target.derivation.table.ident, reason: step.reason },
        );
      case 'fence':
        await passFence(attempt, state);
        await failpoint('cutover.afterFence');
        return { ...proofs, fenced: true };
      case 'drain':
        await drain(attempt, target, state);
        return { ...proofs, drained: true };
      case 'guard': {
        const guarded = await guardTable(database, target, budget);
        if (guarded.outcome === 'nullFound') return noProofs;
        await failpoint('cutover.afterGuard');
        await recordGuarded(attempt, target, guarded);
        return proofs;
      }
      case 'validate':
        if (state.targets[target.targetNo]?.enforcement === 'open') await recordGuarded(attempt, target);
        await validateGuard(database, target, attempt.signal);
        await failpoint('cutover.afterValidate');
        return proofs;
      case 'setNotNull':
        await setNotNull(database, target, budget);
        await failpoint('cutover.afterSetNotNull');
        return proofs;
      case 'dropGuard':
        await dropGuard(database, target, budget);
        return proofs;
    }
  } catch (error) {
    if (!isHighwaterError(error) || error.retry !== 'reconcile') throw error;
    await issue(
      context,
      attempt.process.id,
      'RecordCutoverOutcomeUnknown',
      {
        attempt: attempt.number,
        table: nameOf(target),
        step: step.step,
        message: error.message,
      },
      attempt.by,
    );
    return proofs; // the catalog is read next: what it says is what happened
  }
}

/** Written after the bridge committed, so that every writer the bridge did not see has a commit before it. */
async function passFence({ context, process, signal, by }: Attempt, state: LiveMigration): Promise<void> {
  if (state.stream !== 'open')
    throw new HighwaterError(
      codes.fenceLate,
      'backoff',
      `the stream of "${process.id}" is broken; a fence could not come back`,
      { migration: process.id, epoch: state.epoch },
      'wait until the stream is rebuilt and swept, then ask for the cutover again',
    );
  const token = await writeFence(context, process, state, 'cutover');
  const fence = await waitUntil(
    async () => {
      const found = await currentFence(context, process, state, token);
      return found && isReached(found) ? found : undefined;
    },
    { limitMs: fenceLimitMs, signal },
  );
  if (!fence) {
    const stuck = await currentFence(context, process, state, token);
    throw new HighwaterError(
      codes.fenceLate,
      'backoff',
      `fence ${token} came back through ${stuck?.arrived.length ?? 0} of ${stuck?.partitions ?? 0} partitions in ${fenceLimitMs / 1000} s`,
      { fence: token },
      'look at the relay and the fillers; then ask for the cutover again',
    );
  }
  await issue(
    context,
    process.id,
    'RecordFence',
    {
      token,
      epoch: fence.epoch,
      partitions: fence.partitions,
      roundTripMs: roundTripMs(fence),
    },
    by,
  );
}

/** One tail pass more, then nothing without value may be visible. Skipped when nothing is NULL. */
async function drain({ context, process, signal }: Attempt, target: FillTarget, state: LiveMigration): Promise<void> {
  const { database } = context;
  if ((await countNulls(database.fill, target)) === 0n) return;
  const progress = await readFillProgress(database.state, process.id, state.epoch);
  const pass = progress.reduce((highest, one) => Math.max(highest, one.pass), 0) + 1;
  await startTailPass(context, process, state.epoch, pass, []);
  const drained = await waitUntil(
    async () => {
      const now = await readFillProgress(database.state, process.id, state.epoch);
      return now.every((one) => one.openRanges === 0) ? true : undefined;
    },
    { limitMs: drainLimitMs, signal },
  );
  const left = await countNulls(database.fill, target);
  if (!drained || left > 0n) throw nullsLeft(target, left);
}

const nullsLeft = (target: FillTarget, left: bigint): HighwaterError =>
  new HighwaterError(
    codes.nullsLeft,
    'backoff',
    `${left} rows of ${target.derivation.table.ident} have no ${target.derivation.target.name} and no pass could fill them`,
    { table: target.derivation.table.ident, rows: left.toString() },
    'GET /migrations/{id}/unfillable lists them with their reasons',
  );

/** Also for a guard that was found: its message committed and nobody was left to say so. Its times were stored in that commit. */
async function recordGuarded(
  attempt: Attempt,
  target: FillTarget,
  measured?: { readonly heldMs: number; readonly lockWaitMs: number },
): Promise<void> {
  const { context, process, number, by } = attempt;
  const steps = measured ? [] : await readDdlSteps(context.database.state, target.migrationId);
  const found = steps.findLast((step) => step.targetNo === target.targetNo && step.step === 'guard');
  const { heldMs, lockWaitMs } = measured ?? found ?? { heldMs: 0, lockWaitMs: 0 };
  await issue(context, process.id, 'RecordGuarded', { ...nameOf(target), attempt: number, heldMs, lockWaitMs }, by);
  await failpoint('cutover.afterGuarded');
}

async function recordEnforced(attempt: Attempt, target: FillTarget): Promise<void> {
  const steps = await readDdlSteps(attempt.context.database.state, target.migrationId);
  await issue(
    attempt.context,
    attempt.process.id,
    'RecordEnforced',
    {
      ...nameOf(target),
      attempt: attempt.number,
      steps: steps
        .filter((step) => step.targetNo === target.targetNo)
        .map((step): DdlStep => ({
          name: step.step,
          lockMode: step.lockMode,
          heldMs: step.heldMs,
          lockWaitMs: step.lockWaitMs,
        })),
    },
    attempt.by,
  );
}

async function recordFailure(attempt: Attempt, turn: FillTarget | undefined, error: unknown): Promise<void> {
  const known = isHighwaterError(error) ? error : undefined;
  const blockers = known?.context['blockers'];
  const first = Array.isArray(blockers) ? String(blockers[0] ?? '') : '';
  // while a check of ours stands, "failed" would not be true: the attempt stays open, and the next round goes on from the catalog (G4)
  await undoGuards(attempt.context, attempt.process, attempt.budget);
  await reconcileBeforeFailing(attempt);
  // refused while an outcome is unknown: then the next controller reads the catalog and goes on
  await runCommand(
    attempt.context,
    attempt.process.id,
    'FailCutover',
    {
      attempt: attempt.number,
      table: turn ? nameOf(turn) : null,
      blocker: first
        ? { kind: 'session', pid: pidOf(first), applicationName: nameIn(first), since: null, mode: null }
        : null,
      code: known?.code ?? codes.cutoverFailed,
      message: known?.message ?? 'the attempt ended unexpectedly',
    },
    attempt.by,
  );
}

/** After a failed attempt no constraint of ours is in force on a table that was not enforced (G4). */
export async function undoGuards(context: ControlContext, process: ProcessState, budget: DdlBudget): Promise<void> {
  for (const target of process.targets) {
    const facts = await catalogFacts(context.database.ddl, target);
    if (nextUndoStep(facts) === 'dropGuard') await dropGuard(context.database, target, budget);
  }
}

/** An attempt that is stopped right after a lost answer: the catalog was read and undone just now, so the outcome is known. */
async function reconcileBeforeFailing({ context, process, number, by }: Attempt): Promise<void> {
  const { state } = await context.runner.state(streamOf(process.id));
  if (state.phase !== 'cutting-over' || !state.unknown) return;
  const { table } = state.unknown;
  const target = process.targets.find((one) => sameTarget(nameOf(one), table));
  if (!target) return;
  const found = enforcementFound(await catalogFacts(context.database.ddl, target));
  await issue(context, process.id, 'ReconcileCutover', { attempt: number, table, found }, by);
}

const pidOf = (text: string): number | null => {
  const match = /pid (\d+)/.exec(text);
  return match ? Number(match[1]) : null;
};
const nameIn = (text: string): string | null => /"([^"]*)"/.exec(text)?.[1] ?? null;

const nameOf = ({ derivation: { table, target } }: FillTarget): TargetName => ({
  table: `${table.schema}.${table.name}`,
  target: target.name,
});
