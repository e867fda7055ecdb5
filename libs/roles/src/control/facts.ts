import { begunPhases, type LiveMigration } from '@highwater/migration';
import {
  openRanges,
  readEntityPasses,
  readFillProgress,
  readVerification,
  type StoredOperation,
  type TargetProgress,
} from '@highwater/target-db';
import { currentFence, isReached } from './acts/fence.js';
import { bridgeJudged } from './acts/bridge-unused.js';
import { afterBridge, isWanted } from './acts/verify.js';
import type { ControlContext } from './context.js';
import { entityFacts, epochOf } from './entity-passes.js';
import { finishAsked } from './finish-asked.js';
import type { NullCounts } from './null-counts.js';
import type { ProcessFacts } from './process-facts.js';
import type { ProcessState } from './process-state.js';

interface PassRow extends Record<string, unknown> {
  since_bridge: boolean;
  age_ms: string | null;
  failure_age_ms: string | null;
}

/** Pause of a plan's own cutover after a failed attempt: whoever was in the way is rarely gone within seconds. Ten seconds to ten minutes. */
const autoPauseMs = (attempts: number): number => Math.min(600_000, 10_000 * 2 ** Math.max(0, attempts - 1));

/** One round of reading what `nextAct` decides on. */
export async function readFacts(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  operations: readonly StoredOperation[],
  seen: { nulls: NullCounts; schemaChanged: boolean; ready: boolean },
): Promise<{ facts: ProcessFacts; progress: readonly TargetProgress[] }> {
  const progress = await readFillProgress(context.database.state, process.id, state.epoch);
  const [pass] = await context.database.state.query<PassRow>(
    'reading tail passes',
    `select coalesce(bool_or(started_at > $3::timestamptz), false) as since_bridge,
            extract(epoch from clock_timestamp() - max(finished_at)) * 1000 as age_ms,
            extract(epoch from clock_timestamp() - $4::timestamptz) * 1000 as failure_age_ms
       from highwater.sweep_range where migration_id = $1 and epoch = $2 and pass > 0 and done`,
    [process.id, state.epoch, state.bridge?.at ?? 'infinity', state.cutoverFailure?.at ?? null],
  );
  const fence = state.stream === 'open' ? await currentFence(context, process, state) : undefined;
  const fenceOpen = fence !== undefined && !isReached(fence) && fence.ageMs < 30_000;
  const open = (verb: string): StoredOperation | undefined => operations.find((operation) => operation.verb === verb);
  const cutover = open('cutover');
  const finish = finishAsked(operations);
  const unfillableOpen = progress.reduce(
    (sum, one) => sum + Object.values(one.unfillable).reduce((a, b) => a + b, 0),
    0,
  );
  const verification = await readVerificationWork(context, process, state, open('verify') !== undefined);
  const passes = process.entities.length === 0 ? [] : await readEntityPasses(context.database.state, process.id);
  const facts: ProcessFacts = {
    phase: state.phase,
    started: begunPhases.includes(state.phase) || (state.phase === 'preflighted' && open('start') !== undefined),
    pause: state.pause,
    streamWanted: state.streamPlanned,
    stream: state.stream,
    onBreak: process.plan.stream?.onBreak ?? 'hold',
    epoch: state.epoch,
    schemaChanged: seen.schemaChanged,
    openRanges: openRanges(progress),
    pass: progress.reduce((highest, one) => Math.max(highest, one.pass), 0),
    nullIndexesReady: seen.nulls.indexed,
    nulls: seen.nulls.total,
    unfillableOpen,
    chunkRowsMax: state.limits.chunkRowsMax,
    entities: entityFacts(passes, {
      entities: process.entities.length,
      epoch: epochOf(state),
      bridgedAt: state.bridge?.at ?? null,
      finishAskedAt: finish?.requestedAt ?? null,
    }),
    tailPassSinceBridge: pass?.since_bridge === true,
    msSinceTailPass: pass?.age_ms === null || pass === undefined ? Infinity : Number(pass.age_ms),
    fenceOpen,
    msSinceFence: fence ? fence.ageMs : Infinity,
    ...verification,
    ready: seen.ready,
    autoDue:
      state.cutoverStart === 'auto' &&
      !state.held &&
      (state.cutoverFailure === null || Number(pass?.failure_age_ms ?? 0) > autoPauseMs(state.cutoverAttempts)),
    guarded: seen.nulls.guarded,
    cutoverOperationId: cutover && cutover.id !== state.cutoverFailure?.operationId ? cutover.id : null,
    begunOperationId: state.phase === 'cutting-over' ? state.operationId : null,
    finishOperationId: finish?.id ?? null,
    unenforceOperationId: open('unenforce')?.id ?? null,
    rollbackOperationId: open('rollback')?.id ?? null,
    bridgeJudged: bridgeJudged(finish),
  };
  return { facts, progress };
}

async function readVerificationWork(
  { database }: ControlContext,
  { id }: ProcessState,
  state: LiveMigration,
  asked: boolean,
): Promise<{ verificationWanted: boolean; verificationBegun: boolean }> {
  // one that was asked for counts for it; beginning it beside that one would take the other's progress away, again and again
  if (asked || !isWanted(state)) return { verificationWanted: false, verificationBegun: false };
  const [first] = await readVerification(database.state, id);
  return { verificationWanted: true, verificationBegun: first?.runId === afterBridge };
}
