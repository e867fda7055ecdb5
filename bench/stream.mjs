// Publication, slot and topics of one migration, as the service opens them.
import { ensureTopics, topicFacts, topicNames } from '@highwater/messaging';
import { createPublication, createSlot, readSystemIdentifier } from '@highwater/target-db';

export async function openStream(bench, kafka, { id, short, targets }) {
  const { database } = bench;
  const name = `hw_${short}`;
  const partitions = 4;
  const topics = topicNames(kafka.topicPrefix, id);
  await ensureTopics(kafka, [
    { topic: topics.hints, partitions },
    { topic: topics.deadLetter, partitions: 1 },
  ]);
  const [{ derivation }] = targets;
  const publication = await createPublication(database.ddl, {
    name,
    migrationId: id,
    planHash: 'bench',
    tables: [
      {
        ident: derivation.table.ident,
        key: derivation.key.map((key) => key.ident),
        targets: [derivation.target.ident],
      },
    ],
  });
  await createSlot(database, { name });
  return {
    epoch: 1,
    slot: name,
    publication: name,
    publicationOid: publication.oid,
    publicationDefinition: publication.definition,
    topic: topics.hints,
    topicId: (await topicFacts(kafka, topics.hints)).topicId,
    partitions,
    deadLetterTopic: topics.deadLetter,
    systemIdentifier: await readSystemIdentifier(database.state),
  };
}
