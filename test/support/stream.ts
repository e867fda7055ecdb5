import pg from 'pg';
import { type MigrationId } from '@highwater/kernel';
import { decodeHint, isPoison, type BrokenStream, type Hint, type StreamInfo } from '@highwater/change-stream';
import { ensureTopics, HintConsumer, topicFacts, topicNames, type KafkaSettings } from '@highwater/messaging';
import {
  createPublication,
  createSlot,
  installSchema,
  openDatabase,
  readSystemIdentifier,
  type Database,
  type FillTarget,
} from '@highwater/target-db';
import { Relay, type RelayOptions } from '@highwater/roles';
import type { PostgresServer } from '@highwater/local-stack';
import { dropSlots } from './slots.js';
import { brokers, unique, waitFor } from './stack.js';

export const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

/** An opened stream over one table `app."Activity"`, with the four access roles as logins of their own and nothing more. */
export interface OpenStream {
  readonly database: Database;
  /** Superuser on the same database: the application. */
  readonly app: pg.Client;
  readonly appUrl: string;
  readonly kafka: KafkaSettings;
  readonly migrationId: MigrationId;
  readonly short: string;
  readonly stream: StreamInfo;
  readonly target: FillTarget;
  readonly broken: BrokenStream[];
  relay(more?: Partial<RelayOptions>): Relay;
  close(): Promise<void>;
}

export async function openStream(
  server: PostgresServer,
  name: string,
  /** Entities are made from the table too. */
  { source = false }: { source?: boolean } = {},
): Promise<OpenStream> {
  const tag = unique();
  const appUrl = await server.createDatabase(`${name}_${tag}`);
  const app = new pg.Client({ connectionString: appUrl });
  app.on('error', () => undefined); // the server stops before a failed test closes it
  await app.connect();
  const role = (access: string): string => `hw${tag}_${access}`;
  await app.query(`
    create role ${role('stream')} login replication password 'secret';
    create role ${role('fill')} login password 'secret';
    create role ${role('state')} login password 'secret';
    create role ${role('owner')} nologin;
    create role ${role('ddl')} login password 'secret' in role ${role('owner')};
    grant pg_read_all_stats to ${role('state')};
    do $$ begin execute format('grant create on database %I to ${role('ddl')}', current_database()); end $$;
    create schema app authorization ${role('owner')};
    create table app."Activity" (id text primary key, note text, "workspaceId" text);
    alter table app."Activity" owner to ${role('owner')}`);
  const url = (access: string): string => {
    const as = new URL(appUrl);
    as.username = role(access);
    as.password = 'secret';
    return as.href;
  };
  const database = openDatabase({
    urls: { stream: url('stream'), fill: url('fill'), state: url('state'), ddl: url('ddl') },
    instance: `test-${tag}`,
  });
  await installSchema(database);
  const migrationId = `m-${tag}` as MigrationId;
  const short = `${tag}00`;
  await database.state.query(
    'registering',
    `insert into highwater.migration (id, short, plan_source, plan_hash) values ($1, $2, '', '')`,
    [migrationId, short],
  );
  const kafka: KafkaSettings = { brokers: await brokers(), clientId: `test-${tag}`, topicPrefix: 'test' };
  const stream = await openEpoch(database, kafka, migrationId, short, 1, source);
  const { rows } = await app.query<{ oid: number }>(`select 'app."Activity"'::regclass::oid::int8::int4 as oid`);
  const target = targetOf(migrationId, short, rows[0]?.oid ?? 0);
  const broken: BrokenStream[] = [];
  const relays: Relay[] = [];
  return {
    database,
    app,
    appUrl,
    kafka,
    migrationId,
    short,
    stream,
    target,
    broken,
    relay(more = {}) {
      const relay = new Relay({
        database,
        kafka,
        migrationId,
        short,
        stream,
        targets: [target],
        sources: source ? [{ source: target.derivation.table, sourceKey: target.derivation.key }] : [],
        logger: quiet,
        checkEveryMs: 50,
        onBroken: (found) => broken.push(found),
        ...more,
      });
      relays.push(relay);
      return relay;
    },
    async close() {
      await Promise.all(relays.map((relay) => relay.stop()));
      await dropSlots(appUrl, stream.slot);
      await app.end();
      await database.close();
    },
  };
}

/** Publication, slot, topics: one epoch. */
export async function openEpoch(
  database: Database,
  kafka: KafkaSettings,
  migrationId: MigrationId,
  short: string,
  epoch: number,
  source = false,
): Promise<StreamInfo> {
  const name = `hw_${short}`;
  const partitions = 2;
  const topics = topicNames(kafka.topicPrefix, migrationId);
  await ensureTopics(kafka, [
    { topic: topics.hints, partitions },
    { topic: topics.deadLetter, partitions: 1 },
  ]);
  const publication = await createPublication(database.ddl, {
    name,
    migrationId,
    planHash: 'hash',
    tables: [
      { ident: 'app."Activity"' as never, key: ['id' as never], targets: source ? [] : ['"workspaceId"' as never] },
    ],
  });
  await createSlot(database, { name });
  const topic = await topicFacts(kafka, topics.hints);
  return {
    epoch,
    slot: name,
    publication: name,
    publicationOid: publication.oid,
    publicationDefinition: publication.definition,
    topic: topics.hints,
    topicId: topic?.topicId ?? '',
    partitions,
    deadLetterTopic: topics.deadLetter,
    systemIdentifier: await readSystemIdentifier(database.state),
  };
}

/** What the relay reads of a target: the table and its key. */
const targetOf = (migrationId: MigrationId, short: string, relid: number): FillTarget =>
  ({
    migrationId,
    short,
    targetNo: 0,
    derivation: { table: { relid, schema: 'app', name: 'Activity' }, key: [{ name: 'id', ident: 'id', type: 'text' }] },
  }) as unknown as FillTarget;

export interface Collected {
  readonly hints: { readonly partition: number; readonly hint: Hint }[];
  readonly keys: () => string[];
  stop(): Promise<void>;
}

/** Everything in a topic from its first record on, read by a group of its own. */
export async function collectHints(
  kafka: KafkaSettings,
  { topic, topicId }: Pick<StreamInfo, 'topic' | 'topicId'>,
): Promise<Collected> {
  const hints: Collected['hints'] = [];
  const consumer = new HintConsumer({
    kafka,
    topic,
    topicId,
    group: `test.${unique()}`,
    onBatch: (batch) => {
      for (const { value } of batch.records) {
        const hint = decodeHint(value);
        if (!isPoison(hint)) hints.push({ partition: batch.partition, hint });
      }
      return Promise.resolve();
    },
    onAssigned: () => undefined,
    onRevoked: () => undefined,
    onOffsetsLost: () => undefined,
  });
  await consumer.start();
  return {
    hints,
    keys: () => hints.flatMap(({ hint }) => (hint.kind === 'row' ? [hint.key.join()] : [])),
    stop: () => consumer.stop(),
  };
}

export const streaming = (relay: Relay): Promise<boolean> =>
  waitFor('the relay to stream', () => relay.status().state === 'streaming', { describe: () => relay.status() });
