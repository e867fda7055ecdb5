import {
  beginVerification,
  markOperation,
  openOperations,
  readVerification,
  runLastingAssertions,
  verifyNextPage,
  type StoredOperation,
  type VerificationProgress,
} from '@highwater/target-db';
import type { LiveMigration, TargetName } from '@highwater/migration';
import { issue, service, type ControlContext, type Issuer } from '../context.js';
import { nameOf } from '../entity-status.js';
import { countMissing } from '../missing-entities.js';
import type { ProcessState } from '../process-state.js';
import { repairMismatches } from './repair.js';

/** The run that the migration itself wants, once per bridge. */
export const afterBridge = 'after-bridge';
/** Runs that follow it, each named after the end of the one before: two processes that both think they lead begin the same one. */
const again = 'again-';
/** Ends the name of a run that was asked for before the bridge. */
export const beforeBridge = '/before-bridge';
/** Rest between two of them: nine times what the last one took, so that a tenth of the time at most goes into comparing. */
const restShare = 9;
const restMsMin = 10_000;
/** Longest time without looking whether the run is still the one that is wanted. */
const roundMsMax = 1_000;

/**
 * Compares every stored value with what the rule gives now: page by page, each page with its cursor in one commit.
 *
 *   wanted (operation `verify`, once after the bridge, again and again while the cutover is awaited) ──begin──▶ page … page ──▶ event VerificationCompleted, operation succeeded
 *
 * Again means every row, from the start: what an application changed cannot be told from what it did not without reading it, since updates are
 * not in the stream. Such a run stays in the background, and its event is written only when it found something else than the last one.
 *
 * Durable: the cursor of each target. A crash repeats no page; a page that fails is done again smaller. Counts are events, keys of mismatches a table.
 */
export async function verifyRound(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const { database } = context;
  // a page reads for seconds, and the cutover's locks would wait behind it with the application behind them
  if (state.phase === 'cutting-over') return;
  const asked = (await openOperations(database.state, process.id)).find((one) => one.verb === 'verify');
  let progress = await readVerification(database.state, process.id);
  const runId = asked === undefined ? ownRun(state, progress, Date.now()) : askedRun(asked.id, state);
  // a pause is for a server that has enough to do; who asks for a verification meanwhile wants it all the same
  if (runId === undefined || (state.pause !== 'running' && !asked)) return;
  if (asked?.status === 'accepted') await markOperation(database.state, asked.id, 'running');
  if (progress[0]?.runId !== runId) await beginVerification(database.fill, process.targets, runId);
  const began = performance.now();
  for (const target of process.targets) {
    if (progress.some((one) => one.targetNo === target.targetNo && one.runId === runId && one.done)) continue;
    while (!(await verifyNextPage(database.fill, target, runId)))
      if (signal.aborted || performance.now() - began > roundMsMax) return;
  }
  progress = await readVerification(database.state, process.id);
  if (progress.length === 0 || !progress.every((one) => one.runId === runId && one.done)) return;
  if (process.plan.repair) {
    if (!(await repairMismatches(context, process, state, signal))) return;
    progress = await readVerification(database.state, process.id);
  }
  await complete(context, process, state, progress, asked, signal);
}

/**
 * The run of an operation. One that began before the bridge is begun anew once the bridge is there: what an application wrote behind its cursor
 * until then was nobody's, and its end would count as a look at all of it. Pure.
 */
export const askedRun = (operationId: string, { bridge }: Pick<LiveMigration, 'bridge'>): string =>
  bridge === null ? `${operationId}${beforeBridge}` : operationId;

/** Begins the run after the bridge, or answers how far it is. */
export async function verifyAfterBridge(context: ControlContext, process: ProcessState): Promise<number> {
  const { database } = context;
  let progress = await readVerification(database.state, process.id);
  // not begun again at every evaluation: that would wait for the page under way, which holds its target's row as long as it reads
  if (progress.length < process.targets.length || progress.some((one) => one.runId !== afterBridge)) {
    await beginVerification(database.fill, process.targets, afterBridge);
    progress = await readVerification(database.state, process.id);
  }
  return progress.reduce((sum, one) => sum + one.checked, 0);
}

export const isWanted = (state: Pick<LiveMigration, 'bridge' | 'verification'>): boolean =>
  state.bridge !== null && (state.verification === null || !state.verification.afterBridge);

/** The run that nobody asked for: the one after the bridge, then one after another while the cutover is awaited or held. Pure. */
export function ownRun(
  state: Pick<LiveMigration, 'phase' | 'bridge' | 'verification'>,
  progress: readonly Pick<VerificationProgress, 'runId' | 'done' | 'startedAt' | 'movedAt'>[],
  nowMs: number,
): string | undefined {
  const running = progress[0]?.runId;
  if (isWanted(state)) return running === afterBridge ? afterBridge : undefined;
  if (state.phase !== 'bridged' || running === undefined) return undefined;
  if (running.startsWith(again) && !progress.every((one) => one.done)) return running;
  const ended = Math.max(...progress.map((one) => Date.parse(one.movedAt)));
  const took = ended - Math.min(...progress.map((one) => Date.parse(one.startedAt)));
  return nowMs - ended > Math.max(restMsMin, restShare * took) ? `${again}${new Date(ended).toISOString()}` : undefined;
}

async function complete(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  progress: readonly VerificationProgress[],
  asked: StoredOperation | undefined,
  signal: AbortSignal,
): Promise<void> {
  const tables = progress.map((one): TargetName & { checked: number; mismatches: number; unfillable: number } => ({
    table: state.targets[one.targetNo]?.table ?? String(one.targetNo),
    target: state.targets[one.targetNo]?.target ?? '',
    checked: one.checked,
    mismatches: one.mismatches,
    unfillable: one.nulls,
  }));
  const sum = (pick: (one: (typeof tables)[number]) => number): number =>
    tables.reduce((total, one) => total + pick(one), 0);
  const entities = [];
  for (const target of process.entities) {
    const missing = await countMissing(context.database, target, state, { signal });
    entities.push({ table: nameOf(target.entity.table), from: nameOf(target.entity.source), missing });
  }
  const result = {
    checked: sum((one) => one.checked),
    mismatches: sum((one) => one.mismatches),
    unfillable: sum((one) => one.unfillable),
    ...(process.plan.repair ? { repaired: progress.reduce((total, one) => total + one.repaired, 0) } : {}),
    tables,
    ...(Object.keys(process.plan.assertions).length === 0
      ? {}
      : { assertions: await runLastingAssertions(context.database.fill, process.plan.assertions, signal) }),
  };
  const by: Issuer = asked ? { actor: asked.actor, operationId: asked.id } : service;
  await issue(context, process.id, 'RecordVerification', result, by);
  if (asked) await markOperation(context.database.state, asked.id, 'succeeded', { result: { ...result, entities } });
}
