import { deleteGroups, deleteTopics, topicNames } from '@highwater/messaging';
import type { LiveMigration } from '@highwater/migration';
import { drainGate, dropSlot, slotFacts } from '@highwater/target-db';
import { failpoint } from '@highwater/telemetry';
import { projectState, streamOf, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { waitUntil } from '../wait-until.js';
import { tidyStreams } from './tidy-streams.js';

/** How long relays get to leave the slot by themselves before the one that holds it is ended. */
const relayLeavesMs = 5_000;

/** Ends the live fill for good: gates proved closed, slot, publication and topics gone. Each step looks first. */
export async function takeStreamDown(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  const { database, kafka } = context;
  process.finishing = true;
  // relays and fillers of every process stop when they see the migration without a stream; the gate closes with it
  const { state: now, version } = await context.runner.state(streamOf(process.id));
  // of now: a state from before a halt, under the version of after it, would open the gates again
  if (now.phase !== 'none') await projectState(context, process.id, { ...now, stream: 'none' }, version);
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
}

async function dropTopics({ kafka }: ControlContext, process: ProcessState): Promise<void> {
  if (!kafka) return;
  const names = topicNames(kafka.topicPrefix, process.id);
  await deleteTopics(kafka, [names.hints, names.deadLetter]);
  // a member that has not left yet keeps its group: it is an offset store without topics then, and expires by itself
  await deleteGroups(kafka, [names.group]).catch(() => undefined);
}
