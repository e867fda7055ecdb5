import { formatLsn, HighwaterError, isHighwaterError, migrationId, must } from '@highwater/kernel';
import { deleteTopics, ensureTopics, topicFacts, topicNames } from '@highwater/messaging';
import {
  createPublication,
  createSlot,
  dropSlot,
  raiseSlotPosition,
  readSystemIdentifier,
  streamCodes,
  streamName,
} from '@highwater/target-db';
import { kafkaNeeded } from '../codes.js';
import { issue, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';
import { publishedSources, publishedTables } from '../published-tables.js';
import { tidyStreams } from './tidy-streams.js';

/** Names that may be taken by tries that died, by another control process or by strangers, before somebody has to look. */
const takenMax = 10;

/**
 * Opens one epoch of the stream: topics, publication (committed), then the slot, which waits for every open transaction of the cluster.
 * Only after it returned may the sweep read where history ends; any other order loses the rows in between.
 * Two control processes may open one epoch at a time: each makes a slot under a name of its own, one of them gets its event, the other
 * drops its slot again. `signal` ends the waits. Whatever is of no living epoch is taken away before (its slots keep WAL) and after (tries that died).
 */
export async function openStream(
  context: ControlContext,
  process: ProcessState,
  epoch: number,
  signal: AbortSignal,
): Promise<void> {
  const { database, kafka } = context;
  const settings = must(process.plan.stream, 'a plan without stream opens none');
  if (!kafka)
    throw new HighwaterError(
      kafkaNeeded,
      'never',
      `migration "${process.id}" has a stream and no Kafka is configured`,
      { migration: process.id },
      'set HIGHWATER_KAFKA_BROKERS, or write `stream: none` into the plan',
    );
  const names = topicNames(kafka.topicPrefix, process.id);
  await tidyStreams(context, process, { before: epoch });
  await deleteTopics(kafka, [names.hints]);
  await ensureTopics(kafka, [
    { topic: names.hints, partitions: settings.partitions },
    { topic: names.deadLetter, partitions: 1 },
  ]);
  const topic = must(await topicFacts(kafka, names.hints), `topic ${names.hints} exists after it was created`);
  const publication = await underFreeName(process.short, epoch, streamCodes.publicationForeign, (name) =>
    createPublication(database.ddl, {
      name,
      tables: publishedTables(process.targets, publishedSources(process.entities)),
      migrationId: migrationId(process.id),
      planHash: process.planHash,
      lockAttempts: process.plan.limits.lockAttempts,
      signal,
    }),
  );
  const slot = await underFreeName(process.short, epoch, streamCodes.slotExists, (name) =>
    createSlot(database, { name, signal }),
  );
  try {
    await raiseSlotPosition(database.state, {
      migrationId: migrationId(process.id),
      slot: slot.name,
      position: slot.made.consistentPoint,
    });
    await issue(context, process.id, 'RecordStreamOpened', {
      epoch,
      slot: slot.name,
      publication: publication.name,
      publicationOid: publication.made.oid,
      publicationDefinition: publication.made.definition,
      topic: names.hints,
      topicId: topic.topicId,
      partitions: topic.partitions,
      consistentPoint: formatLsn(slot.made.consistentPoint),
      systemIdentifier: await readSystemIdentifier(database.state),
    });
  } catch (error) {
    await dropUnrecorded(context, slot.name, error);
    throw error;
  }
}

/** A refusal says that nobody will read this slot; after any other error its event may be stored, and `tidyStreams` judges by the log. */
async function dropUnrecorded({ database }: ControlContext, slot: string, error: unknown): Promise<void> {
  if (isHighwaterError(error) && error.retry === 'never')
    await dropSlot(database.stream, slot, 1).catch(() => undefined);
}

async function underFreeName<T>(
  short: string,
  epoch: number,
  takenCode: string,
  make: (name: string) => Promise<T>,
): Promise<{ name: string; made: T }> {
  for (let taken = 0; ; taken += 1) {
    const name = streamName(short, epoch, taken);
    try {
      return { name, made: await make(name) };
    } catch (error) {
      if (!isHighwaterError(error) || error.code !== takenCode || taken + 1 >= takenMax) throw error;
    }
  }
}
