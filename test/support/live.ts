import { ConfigResourceTypes, Kafka, logLevel } from 'kafkajs';
import type { BrokenStream, StreamInfo } from '@highwater/change-stream';
import type { Ident } from '@highwater/derivation';
import { migrationId } from '@highwater/kernel';
import { deleteTopics, ensureTopics, topicFacts, topicNames, type KafkaSettings } from '@highwater/messaging';
import { Filler, Relay, type RelayOptions } from '@highwater/roles';
import { createPublication, createSlot, openGate, readSystemIdentifier } from '@highwater/target-db';
import type { Prepared } from './least-privilege.js';
import { dropSlots } from './slots.js';
import { brokers, unique, waitFor } from './stack.js';
import { quiet, streaming } from './stream.js';

/** Live fill alone: publication, slot, topics, relay and filler of one migration, as the least-privilege roles; no sweep, no bridge. */
export interface Live {
  readonly stream: StreamInfo;
  readonly kafka: KafkaSettings;
  readonly filler: Filler;
  readonly relay: Relay;
  readonly broken: readonly BrokenStream[];
  /** Another relay on the same slot; the caller starts it, `close` stops it. */
  anotherRelay(more?: Partial<RelayOptions>): Relay;
  close(): Promise<void>;
}

export async function liveFill(p: Prepared): Promise<Live> {
  const { database, targets, plan } = p;
  const first = targets[0];
  if (!first) throw new Error('the plan has no target');
  const id = migrationId(plan.migration);
  // never a name twice: what an earlier slot of this name acknowledged is on record
  const name = `hw_${first.short}_${unique()}`;
  const kafka = { brokers: await brokers(), clientId: 'test', topicPrefix: `t${unique()}` };
  const names = topicNames(kafka.topicPrefix, id);
  await ensureTopics(kafka, [
    { topic: names.hints, partitions: 2 },
    { topic: names.deadLetter, partitions: 1 },
  ]);
  const tables = new Map<Ident, { ident: Ident; key: Ident[]; targets: Ident[] }>();
  for (const { derivation } of targets) {
    const { ident } = derivation.table;
    const table = tables.get(ident) ?? { ident, key: derivation.key.map((column) => column.ident), targets: [] };
    table.targets.push(derivation.target.ident);
    tables.set(ident, table);
  }
  const publication = await createPublication(database.ddl, {
    name,
    migrationId: id,
    planHash: 'hash',
    tables: [...tables.values()],
  });
  await createSlot(database, { name });
  await openGate(database.state, { migrationId: id, short: first.short }, ['live', 'sweep']);
  const stream: StreamInfo = {
    epoch: 1,
    slot: name,
    publication: name,
    publicationOid: publication.oid,
    publicationDefinition: publication.definition,
    topic: names.hints,
    topicId: (await topicFacts(kafka, names.hints))?.topicId ?? '',
    partitions: 2,
    deadLetterTopic: names.deadLetter,
    systemIdentifier: await readSystemIdentifier(database.state),
  };
  const broken: BrokenStream[] = [];
  const common = {
    database,
    kafka,
    stream,
    targets,
    logger: quiet,
    onBroken: (found: BrokenStream) => broken.push(found),
  };
  const relays: Relay[] = [];
  const anotherRelay = (more: Partial<RelayOptions> = {}): Relay => {
    const relay = new Relay({ ...common, migrationId: id, short: first.short, checkEveryMs: 50, ...more });
    relays.push(relay);
    return relay;
  };
  const relay = anotherRelay();
  const filler = new Filler({ ...common, migrationId: id, limits: plan.limits });
  await filler.start();
  await relay.start();
  await streaming(relay);
  return {
    stream,
    kafka,
    filler,
    relay,
    broken,
    anotherRelay,
    async close() {
      await Promise.all([filler.stop(), ...relays.map((one) => one.stop())]);
      await deleteTopics(kafka, [stream.topic, stream.deadLetterTopic]);
      await dropSlots(p.url, name);
    },
  };
}

type Hints = Pick<Live, 'kafka'> & { readonly stream: Pick<StreamInfo, 'topic' | 'partitions'> };

async function takeAtMost({ kafka, stream }: Hints, bytes: number): Promise<void> {
  const admin = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const configEntries = [{ name: 'max.message.bytes', value: String(bytes) }];
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: stream.topic, configEntries }];
  await admin.alterConfigs({ validateOnly: false, resources });
  await admin.disconnect();
}

/** Kafka goes on answering, and refuses to store any hint: it does so a moment after it was told, and this waits for that. */
export async function refuseHints(of: Hints): Promise<void> {
  await takeAtMost(of, 10);
  const producer = new Kafka({ brokers: [...of.kafka.brokers], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  for (let partition = 0; partition < of.stream.partitions; partition += 1)
    await waitFor(`partition ${partition} of ${of.stream.topic} to refuse a message`, () =>
      producer.send({ topic: of.stream.topic, messages: [{ partition, value: 'no hint' }] }).then(
        () => false,
        (error: unknown) => (error as { type?: string }).type === 'MESSAGE_TOO_LARGE',
      ),
    );
  await producer.disconnect();
}

/** Kafka stores hints of any usual size again. */
export const storeHintsAgain = (of: Hints): Promise<void> => takeAtMost(of, 1_048_588);
