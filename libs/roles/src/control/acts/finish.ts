import { deleteGroups, deleteTopics, listTopics, topicNames } from '@highwater/messaging';
import type { LiveMigration } from '@highwater/migration';
import {
  drainGate,
  dropBridge,
  dropNullIndex,
  dropSlot,
  leftoversOf,
  markOperation,
  serverNow,
  slotFacts,
  type StoredOperation,
} from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import { issue, projectState, streamOf, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { waitUntil } from '../wait-until.js';
import { tidyStreams } from './tidy-streams.js';
import { assertBridgeUnused, bridgeJudged, judged } from './bridge-unused.js';
import { budgetOf } from './budget.js';

/** How long relays get to leave the slot by themselves before the one that holds it is ended. */
const relayLeavesMs = 5_000;

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
  asked: { afterMs?: number },
): Promise<{ leftovers: string[] }> {
  const { database, kafka } = context;
  if (!bridgeJudged(operation)) {
    if (operation.request['bridgeUnused'] !== true)
      await assertBridgeUnused(context, process.id, state, Math.max(state.windowMs, asked.afterMs ?? 0), signal);
    await markOperation(database.state, operation.id, 'running', { result: judged });
  }
  await failpoint('finish.afterJudged');
  process.finishing = true;
  // relays and fillers of every process stop when they see the migration without a stream; the gate closes with it
  const { version } = await context.runner.state(streamOf(process.id));
  await projectState(context, process.id, { ...state, stream: 'none' }, version);
  await drainGate(database.state, { migrationId: process.id, short: process.short }, ['sweep', 'live']);
  if (state.streamFacts) {
    const { slot } = state.streamFacts;
    await waitUntil(async () => ((await slotFacts(database.state, slot)).active ? undefined : true), {
      limitMs: relayLeavesMs,
      signal,
    });
    await dropSlot(database.stream, state.streamFacts.slot);
    await failpoint('finish.afterSlot');
    await tidyStreams(context, process, { before: state.epoch + 1 });
    await failpoint('finish.afterPublication');
  }
  if (kafka && state.streamPlanned) await dropTopics(context, process);
  await failpoint('finish.afterTopics');
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

async function dropTopics({ kafka }: ControlContext, process: ProcessState): Promise<void> {
  if (!kafka) return;
  const names = topicNames(kafka.topicPrefix, process.id);
  await deleteTopics(kafka, [names.hints, names.deadLetter]);
  // a member that has not left yet keeps its group: it is an offset store without topics then, and expires by itself
  await deleteGroups(kafka, [names.group]).catch(() => undefined);
}

async function remaining({ database, kafka }: ControlContext, process: ProcessState): Promise<string[]> {
  const objects = (await leftoversOf(database.state, process.short)).map(
    (one) => `${one.kind} ${one.name}${one.on ? ` on ${one.on}` : ''}`,
  );
  if (!kafka) return objects;
  const names = topicNames(kafka.topicPrefix, process.id);
  const topics = (await listTopics(kafka)).filter((topic) => topic === names.hints || topic === names.deadLetter);
  return [...objects, ...topics.map((topic) => `topic ${topic}`)];
}
