import { listTopics, topicNames } from '@highwater/messaging';
import type { LiveMigration } from '@highwater/migration';
import {
  dropBridge,
  dropNullIndex,
  leftoversOf,
  markOperation,
  serverNow,
  type StoredOperation,
} from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import { issue, type ControlContext } from '../context.js';
import type { FinishWords } from '../finish-asked.js';
import type { ProcessState } from '../process-state.js';
import { assertBridgeUnused, bridgeJudged, judged } from './bridge-unused.js';
import { budgetOf } from './budget.js';
import { takeStreamDown } from './take-stream-down.js';

/**
 * Takes everything of ours off the user's tables, slots, publications and topics. Each step looks first, so a crash between two is only a
 * repetition. While an old application still needs the bridge nothing is taken away: the error names it, and the operation goes on later.
 */
export async function finish(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  operation: StoredOperation,
  signal: AbortSignal,
  words: FinishWords,
): Promise<{ leftovers: string[] }> {
  const { database } = context;
  if (!bridgeJudged(operation)) {
    if (!words.bridgeUnused)
      await assertBridgeUnused(context, process, state, Math.max(state.windowMs, words.afterMs ?? 0), signal);
    await markOperation(database.state, operation.id, 'running', { result: judged });
  }
  await failpoint('finish.afterJudged');
  await takeStreamDown(context, process, state, signal);
  for (const target of process.targets) {
    await dropNullIndex(database, target, signal);
    await failpoint('finish.afterNullIndex');
    await dropBridge(database, target, budgetOf(state, signal));
    await failpoint('finish.afterBridge');
  }
  const leftovers = await remaining(context, process);
  await issue(
    context,
    process.id,
    'RecordFinished',
    { droppedAt: (await serverNow(database.state)).toISOString(), leftovers },
    { actor: operation.actor, operationId: operation.id },
  );
  return { leftovers };
}

export async function remaining({ database, kafka }: ControlContext, process: ProcessState): Promise<string[]> {
  const objects = (await leftoversOf(database.state, process.short)).map(
    (one) => `${one.kind} ${one.name}${one.on ? ` on ${one.on}` : ''}`,
  );
  if (!kafka) return objects;
  const names = topicNames(kafka.topicPrefix, process.id);
  const topics = (await listTopics(kafka)).filter((topic) => topic === names.hints || topic === names.deadLetter);
  return [...objects, ...topics.map((topic) => `topic ${topic}`)];
}
