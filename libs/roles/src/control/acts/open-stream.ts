import type { Ident } from '@highwater/derivation';
import { formatLsn, HighwaterError, migrationId, must } from '@highwater/kernel';
import { deleteTopics, ensureTopics, topicFacts, topicNames } from '@highwater/messaging';
import {
  createPublication,
  createSlot,
  dropPublication,
  dropSlot,
  readSystemIdentifier,
  type FillTarget,
  type PublishedTable,
} from '@highwater/target-db';
import { kafkaNeeded } from '../codes.js';
import { issue, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

/** Two targets on one table are one published table: two entries with different filters would stop decoding for good (0A000). */
export function publishedTables(targets: readonly FillTarget[]): PublishedTable[] {
  const tables = new Map<number, PublishedTable & { targets: Ident[] }>();
  for (const { derivation } of targets) {
    const known = tables.get(derivation.table.relid);
    if (known) known.targets.push(derivation.target.ident);
    else
      tables.set(derivation.table.relid, {
        ident: derivation.table.ident,
        key: derivation.key.map((column) => column.ident),
        targets: [derivation.target.ident],
      });
  }
  return [...tables.values()];
}

/**
 * Opens one epoch of the stream: topics, publication (committed), then the slot, which waits for every open transaction of the cluster.
 * Only after it returned may the sweep read where history ends; any other order loses the rows in between.
 * Objects of an earlier epoch, or of a try that died before its event, are dropped first: nobody recorded them, so nobody has read them.
 */
export async function openStream(context: ControlContext, process: ProcessState, epoch: number): Promise<void> {
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
  const name = `hw_${process.short}`;
  const names = topicNames(kafka.topicPrefix, process.id);
  await dropSlot(database.stream, name);
  await dropPublication(database.ddl, name);
  await deleteTopics(kafka, [names.hints]);
  await ensureTopics(kafka, [
    { topic: names.hints, partitions: settings.partitions },
    { topic: names.deadLetter, partitions: 1 },
  ]);
  const topic = must(await topicFacts(kafka, names.hints), `topic ${names.hints} exists after it was created`);
  const publication = await createPublication(database.ddl, {
    name,
    tables: publishedTables(process.targets),
    migrationId: migrationId(process.id),
    planHash: process.planHash,
    lockAttempts: process.plan.limits.lockAttempts,
  });
  const slot = await createSlot(database, { name });
  await issue(context, process.id, 'RecordStreamOpened', {
    epoch,
    slot: name,
    publication: name,
    publicationOid: publication.oid,
    publicationDefinition: publication.definition,
    topic: names.hints,
    topicId: topic.topicId,
    partitions: topic.partitions,
    consistentPoint: formatLsn(slot.consistentPoint),
    systemIdentifier: await readSystemIdentifier(database.state),
  });
}
