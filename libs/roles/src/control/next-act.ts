import { entityPassDue, epochOf } from './entity-passes.js';
import type { OnBreak, ProcessFacts } from './process-facts.js';

/** What the control process does next. One at a time; each is idempotent and takes its truth from catalog and tables, so a crash inside is only a repetition. */
export type Act =
  | { readonly kind: 'expand' }
  | { readonly kind: 'openStream'; readonly epoch: number }
  | { readonly kind: 'startSweep'; readonly epoch: number }
  /** Passes over the sources of the entities and makes those that are missing, page by page, beside the other acts. */
  | { readonly kind: 'createEntities'; readonly epoch: number; readonly pass: number }
  | { readonly kind: 'buildNullIndexes' }
  | { readonly kind: 'tailPass'; readonly pass: number }
  | { readonly kind: 'completeSweep' }
  | { readonly kind: 'installBridge' }
  | { readonly kind: 'fence' }
  | { readonly kind: 'verify' }
  | { readonly kind: 'cutover'; readonly operationId: string }
  /** Asks for the cutover on behalf of the plan. */
  | { readonly kind: 'askForCutover' }
  /** Takes back a check that an attempt which has ended left in force. */
  | { readonly kind: 'undoGuard' }
  | { readonly kind: 'unenforce'; readonly operationId: string }
  | { readonly kind: 'finish'; readonly operationId: string }
  | { readonly kind: 'rollback'; readonly operationId: string }
  | { readonly kind: 'wait'; readonly reason: WaitReason };

/** Why nothing is being done; the words an operator sees. */
export type WaitReason =
  | 'NotStarted'
  | 'Paused'
  | 'Halted'
  | 'StreamBroken'
  | 'SchemaChanged'
  | 'CreatingEntities'
  | 'Sweeping'
  | 'TailPass'
  | 'FenceUnderWay'
  | 'AwaitingCutover'
  | 'AwaitingFinish'
  | 'Finished';

/** Seconds between fences while the migration waits to become ready: each proves the stream anew. */
const fenceEveryMs = 2_000;
const sweepFenceEveryMs = 5_000;
/**
 * Pause between tail passes while rows are still NULL: rows that wait for a repair must not be read without pause. It grows from two
 * seconds to a minute, since each pass leaves a row in our tables and a repair may take weeks.
 */
const tailPassEveryMs = (pass: number): number => 2_000 * Math.min(30, Math.max(1, pass / 10));

/** Tail passes before the bridge that try to see zero. */
const tailPassesMin = 3;

/**
 * Decides the next act from facts alone.
 *
 * ```
 * planned ─start─▶ expand ─▶ openStream ─▶ createEntities ─▶ startSweep ─▶ (sweepers work) ─▶ buildNullIndexes ─▶ tailPass* ─▶ completeSweep
 *    ─▶ installBridge ─▶ tailPass* · fence* · verify ─▶ (ready) ─cutover─▶ … ─▶ enforced ─finish─▶ finished
 *          stream broken in between: openStream(epoch + 1) ─▶ createEntities ─▶ startSweep over what is still NULL
 *          createEntities again: before a tail pass, after the bridge, while one is missing, before finish
 * ```
 */
export function nextAct(facts: ProcessFacts): Act {
  // before everything else, and for as long as it takes: what is half taken back is nobody's to go on with
  if (facts.rollbackOperationId !== null && facts.phase !== 'cutting-over')
    return { kind: 'rollback', operationId: facts.rollbackOperationId };
  if (facts.phase === 'finished') return wait('Finished');
  if (facts.phase === 'enforced') return onceEnforced(facts);
  if (facts.phase === 'cutting-over') {
    // an attempt that was under way when a process died goes on without anyone asking again: the catalog says where it stands. Nor does a
    // broken stream leave it half done: it ends behind its guard, or fails for want of a fence, and then the stream is rebuilt. Nor a halt
    // or a changed schema: it is the attempt itself that takes back its check and fails
    return { kind: 'cutover', operationId: facts.cutoverOperationId ?? facts.begunOperationId ?? 'resumed' };
  }
  if (facts.guarded) return { kind: 'undoGuard' };
  if (!facts.started) return wait('NotStarted');
  if (facts.pause === 'halted') return wait('Halted');
  if (facts.schemaChanged) return wait('SchemaChanged');
  if (facts.phase === 'preflighted') return { kind: 'expand' };
  if (facts.streamWanted && facts.stream === 'broken') return afterBreak(facts.onBreak, facts.epoch);
  if (facts.phase === 'expanded') {
    const epoch = epochOf(facts);
    return facts.streamWanted ? { kind: 'openStream', epoch } : afterHistory(facts, epoch);
  }
  if (facts.phase === 'streaming') return afterHistory(facts, facts.epoch);
  if (facts.pause === 'paused') return wait('Paused');
  if (facts.phase === 'sweeping') return whileSweeping(facts);
  if (facts.phase === 'swept') return { kind: 'installBridge' };
  return whileBridged(facts);
}

/**
 * Entities of history before the sweep: its rows need them. Not before the slot is there: a source inserted between a page and the slot would
 * be told of by nobody until the next pass.
 */
function afterHistory({ entities, pause }: ProcessFacts, epoch: number): Act {
  if (!entities || (entities.pass >= 0 && !entities.open)) return { kind: 'startSweep', epoch };
  if (pause === 'paused') return wait('Paused');
  return entities.open ? wait('CreatingEntities') : { kind: 'createEntities', epoch, pass: 0 };
}

/** The next pass over the sources when one is due. */
function againEntities(facts: ProcessFacts): Act | undefined {
  const { entities } = facts;
  if (!entities || !entityPassDue(entities)) return undefined;
  return { kind: 'createEntities', epoch: epochOf(facts), pass: entities.pass + 1 };
}

/** Who still needs the bridge is reported through the stream: without one nobody can tell that it may go. */
function onceEnforced(facts: ProcessFacts): Act {
  // an emergency comes before a finish that still waits for the bridge; one that has judged it unused takes the bridge away
  if (facts.unenforceOperationId !== null && !facts.bridgeJudged)
    return { kind: 'unenforce', operationId: facts.unenforceOperationId };
  const blind = facts.streamWanted && facts.stream === 'broken' && !facts.bridgeJudged;
  if (blind && facts.onBreak === 'rebuild') return { kind: 'openStream', epoch: facts.epoch + 1 };
  // whoever asks for the end while it is paused wants no more made
  const making = facts.pause === 'running' && !facts.schemaChanged && !facts.bridgeJudged;
  const entities = making ? againEntities(facts) : undefined;
  if (entities) return entities;
  if (facts.finishOperationId === null) return wait('AwaitingFinish');
  if (making && facts.entities?.open === true) return wait('CreatingEntities');
  return { kind: 'finish', operationId: facts.finishOperationId };
}

function afterBreak(onBreak: OnBreak, epoch: number): Act {
  return onBreak === 'rebuild' ? { kind: 'openStream', epoch: epoch + 1 } : wait('StreamBroken');
}

const nullsAtMost = ({ nulls }: ProcessFacts): number => nulls ?? Infinity;

function whileSweeping(facts: ProcessFacts): Act {
  // how far the stream is behind is told by its fences, and an operator looks at that while the sweep runs
  if (facts.streamWanted && !facts.fenceOpen && facts.msSinceFence > sweepFenceEveryMs) return { kind: 'fence' };
  if (facts.openRanges > 0) return wait('Sweeping');
  if (!facts.nullIndexesReady) return { kind: 'buildNullIndexes' };
  const unlisted = nullsAtMost(facts) - facts.unfillableOpen;
  // Only rows that are listed with a reason may stay; but old writers insert until the bridge is there, so without a stream zero may never
  // be seen: after a few passes one chunk's worth is left to the pass that follows the bridge.
  const few = facts.pass >= tailPassesMin && unlisted <= facts.chunkRowsMax;
  if (facts.pass === 0 || (unlisted > 0 && !few)) {
    // somebody holds the rows: asking without pause would not free them
    const again = facts.pass < tailPassesMin || facts.msSinceTailPass > tailPassEveryMs(facts.pass);
    const entities = again ? againEntities(facts) : undefined;
    if (entities) return entities;
    if (facts.entities?.open === true) return wait('CreatingEntities');
    return again ? { kind: 'tailPass', pass: facts.pass + 1 } : wait('TailPass');
  }
  return { kind: 'completeSweep' };
}

function whileBridged(facts: ProcessFacts): Act {
  if (facts.unenforceOperationId !== null) return { kind: 'unenforce', operationId: facts.unenforceOperationId };
  if (facts.cutoverOperationId !== null && facts.ready)
    return { kind: 'cutover', operationId: facts.cutoverOperationId };
  if (facts.autoDue && facts.ready) return { kind: 'askForCutover' };
  if (facts.openRanges > 0) return wait('TailPass');
  // a partition attached since has none, and without it nothing is counted and no guard is possible
  if (!facts.nullIndexesReady) return { kind: 'buildNullIndexes' };
  // listed rows too: only a pass finds that the application has given one its value, or deleted it, and closes its entry
  const unsettled = nullsAtMost(facts) > 0 || facts.unfillableOpen > 0;
  const entities = againEntities(facts);
  if (entities) return entities;
  // what the rows that are left need is made first
  const passMayBegin = facts.entities?.open !== true;
  const passIsStale = !facts.tailPassSinceBridge || (unsettled && facts.msSinceTailPass > tailPassEveryMs(facts.pass));
  // ahead of the passes that follow: where each takes as long as the pause between them, nothing would ever be compared
  if (facts.tailPassSinceBridge && facts.verificationWanted && !facts.verificationBegun) return { kind: 'verify' };
  if (passIsStale && passMayBegin) return { kind: 'tailPass', pass: facts.pass + 1 };
  if (facts.streamWanted && facts.fenceOpen) return wait('FenceUnderWay');
  if (facts.streamWanted && facts.msSinceFence > fenceEveryMs) return { kind: 'fence' };
  if (facts.verificationWanted) return { kind: 'verify' };
  return wait('AwaitingCutover');
}

const wait = (reason: WaitReason): Act => ({ kind: 'wait', reason });
