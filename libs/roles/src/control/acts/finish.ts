import { HighwaterError } from '@highwater/kernel';
import { deleteGroups, deleteTopics, listTopics, topicNames } from '@highwater/messaging';
import type { LiveMigration } from '@highwater/migration';
import {
  closeGate,
  dropBridge,
  dropNullIndex,
  dropPublication,
  dropSlot,
  leftoversOf,
  readBridgeUses,
  serverNow,
  slotFacts,
  type BridgeUse,
} from '@highwater/target-db';
import { bridgeInUse } from '../codes.js';
import { issue, projectState, streamOf, type ControlContext, type Issuer } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { waitUntil } from '../wait-until.js';
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
  by: Issuer,
  signal: AbortSignal,
  asked: { afterMs?: number },
): Promise<{ leftovers: string[] }> {
  const { database, kafka } = context;
  await bridgeUnused(context, process, state, Math.max(state.windowMs, asked.afterMs ?? 0));
  await closeGate(database.state, { migrationId: process.id, short: process.short }, ['sweep', 'live']);
  process.finishing = true;
  // relays and fillers of every process stop when they see the migration without a stream
  const { version } = await context.runner.state(streamOf(process.id));
  await projectState(context, process.id, { ...state, stream: 'none' }, version);
  if (state.streamFacts) {
    const { slot } = state.streamFacts;
    await waitUntil(async () => ((await slotFacts(database.state, slot)).active ? undefined : true), {
      limitMs: relayLeavesMs,
      signal,
    });
    await dropSlot(database.stream, state.streamFacts.slot);
    await dropPublication(database.ddl, state.streamFacts.publication);
  }
  if (kafka && state.streamPlanned) await dropTopics(context, process);
  for (const target of process.targets) {
    await dropNullIndex(database, target);
    await dropBridge(database, target, budgetOf(state, signal));
  }
  const leftovers = await remaining(context, process);
  await issue(
    context,
    process.id,
    'RecordFinished',
    { droppedAt: (await serverNow(database.state)).toISOString(), leftovers },
    by,
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

/** Judged by the reports of the bridge itself, which come through the stream; without one only the operator can say so. */
async function bridgeUnused(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  windowMs: number,
): Promise<void> {
  const uses = await readBridgeUses(context.database.state, process.id);
  const last = uses.reduce<BridgeUse | undefined>(
    (latest, use) => (!latest || use.lastAgeMs < latest.lastAgeMs ? use : latest),
    undefined,
  );
  const enforcedMs = Date.now() - Date.parse(state.phaseSince);
  const quietMs = Math.min(last?.lastAgeMs ?? Infinity, enforcedMs);
  if (quietMs >= windowMs) return;
  const who =
    last && last.lastAgeMs < windowMs
      ? `"${last.applicationName}" used the bridge ${Math.round(last.lastAgeMs / 1000)} s ago`
      : 'enforced';
  throw new HighwaterError(
    bridgeInUse,
    'backoff',
    `bridge of "${process.id}" stays: ${last && last.lastAgeMs < windowMs ? who : `enforced ${Math.round(enforcedMs / 1000)} s ago`}; need ${Math.round(windowMs / 1000)} s without use`,
    { migration: process.id, windowMs },
    'replace the old application; `finish` goes on by itself',
  );
}
