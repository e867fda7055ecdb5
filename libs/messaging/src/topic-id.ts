import type { Cluster, Kafka } from 'kafkajs';
import { HighwaterError } from '@highwater/kernel';
import { messagingCodes } from './codes.js';

/**
 * The identity of a topic. kafkajs asks for Metadata at version 6 at most, topic ids came with version 10 (KIP-516,
 * https://kafka.apache.org/protocol.html#The_Messages_Metadata), so this one request is encoded here and sent over kafkajs' own
 * connection: its TLS, its SASL. A name is no identity: a topic deleted and created again has the same name and none of our hints.
 */
export interface TopicIdentity {
  /** 32 hex digits. */
  readonly topicId: string;
  readonly partitions: number;
}

const metadataKey = 3;
const metadataVersion = 10;
const unknownTopic = 3; // UNKNOWN_TOPIC_OR_PARTITION

/** A cluster handle of the client; the documented way to one is the argument of a partition assigner. Nothing joins a group. */
export function clusterOf(kafka: Kafka): Cluster {
  let found: Cluster | undefined;
  kafka.consumer({
    groupId: 'highwater.never-joined',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster;
        return {
          name: 'none',
          version: 0,
          assign: () => Promise.resolve([]),
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        };
      },
    ],
  });
  if (!found) throw new Error('invariant broken: kafkajs made a consumer without asking its assigners');
  return found;
}

/** Undefined when there is no such topic. The cluster must be connected. */
export async function topicIdentity(cluster: Cluster, topic: string): Promise<TopicIdentity | undefined> {
  const broker = (await cluster.findControllerBroker()) as unknown as {
    connectionPool: { send(exchange: unknown): Promise<unknown> };
  };
  const answer = await broker.connectionPool.send({
    request: {
      apiKey: metadataKey,
      apiVersion: metadataVersion,
      apiName: 'Metadata',
      encode: () => Promise.resolve(asEncoder(encodeRequest(topic))),
    },
    response: {
      decode: (payload: Buffer) => Promise.resolve(payload),
      parse: (payload: Buffer) => Promise.resolve(decodeResponse(payload, topic)),
    },
  });
  return answer as TopicIdentity | undefined;
}

/** What kafkajs' own encoder looks like to its request writer. */
const asEncoder = (bytes: Buffer): object => ({
  buf: bytes,
  offset: bytes.length,
  buffer: bytes,
  size: () => bytes.length,
});

/** Body of a flexible request (header version 2): kafkajs writes header version 1, whose missing tag section starts our bytes. */
export function encodeRequest(topic: string): Buffer {
  const name = Buffer.from(topic);
  if (name.length > 126) throw new Error(`topic name of ${name.length} bytes is longer than ours can be`);
  return Buffer.concat([
    Buffer.from([0]), // tags of the header
    Buffer.from([2]), // compact array of one topic
    Buffer.alloc(16), // no id: ask by name
    Buffer.from([name.length + 1]),
    name,
    Buffer.from([0]), // tags of the topic
    Buffer.from([0, 0, 0]), // no auto-creation, no authorised operations of cluster and topics
    Buffer.from([0]), // tags of the request
  ]);
}

/** Reads as far as the one topic's partition count. */
export function decodeResponse(payload: Buffer, topic: string): TopicIdentity | undefined {
  try {
    const read = new Reader(payload);
    read.tags(); // of the header
    read.skip(4); // throttle time
    for (let brokers = read.count(); brokers > 0; brokers -= 1) {
      read.skip(4);
      read.text();
      read.skip(4);
      read.text();
      read.tags();
    }
    read.text(); // cluster id
    read.skip(4); // controller
    if (read.count() !== 1) throw new Error('expected one topic');
    const error = read.int16();
    read.text();
    const id = read.bytes(16).toString('hex');
    read.skip(1); // internal
    const partitions = read.count();
    if (error === unknownTopic) return undefined;
    if (error !== 0) throw new Error(`error code ${error}`);
    if (/^0+$/.test(id)) throw new Error('the broker gave no topic id');
    return { topicId: id, partitions };
  } catch (error) {
    throw new HighwaterError(
      messagingCodes.noTopicId,
      'backoff',
      `reading the id of topic ${topic}: ${error instanceof Error ? error.message : String(error)}`,
      { topic },
      'Kafka 2.8 or newer is needed',
    );
  }
}

class Reader {
  private at = 0;
  constructor(private readonly from: Buffer) {}
  bytes(length: number): Buffer {
    if (length < 0 || this.at + length > this.from.length) throw new Error('answer ended early');
    return this.from.subarray(this.at, (this.at += length));
  }
  skip(length: number): void {
    this.bytes(length);
  }
  int16(): number {
    return this.bytes(2).readInt16BE(0);
  }
  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes(1)[0] ?? 0;
      value |= (byte & 0x7f) << shift;
      if ((byte & 0x80) === 0) return value;
    }
    throw new Error('number too long');
  }
  /** Length of a compact array. */
  count(): number {
    return this.varint() - 1;
  }
  text(): string {
    const length = this.varint() - 1;
    return length <= 0 ? '' : this.bytes(length).toString('utf8');
  }
  tags(): void {
    for (let tags = this.varint(); tags > 0; tags -= 1) {
      this.varint();
      this.skip(this.varint());
    }
  }
}
