import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '@highwater/kernel';
import type { KafkaAttempt } from './kafka.js';
import { whyKafkaIsNotUp } from './kafka-probe.js';

const IMAGE = 'confluentinc/cp-kafka:8.0.0';
const ANSWER_MS_MAX = 500;
const START_MS_MAX = 120_000;

/**
 * Kafka in Docker through testcontainers, whose own reaper removes the container when we are killed. The socket is asked
 * first, and the library loaded only when an engine answers: loading alone costs 0.6 s.
 */
export async function kafkaInContainer(environment: NodeJS.ProcessEnv = process.env): Promise<KafkaAttempt> {
  const engine = await dockerEngine(environment);
  if (engine === undefined) return { reason: 'no engine answers' };
  try {
    const { KafkaContainer } = await import('@testcontainers/kafka');
    const container = await new KafkaContainer(IMAGE)
      .withKraft()
      .withStartupTimeout(START_MS_MAX)
      .withEnvironment({
        KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
        KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
        KAFKA_DELETE_TOPIC_ENABLE: 'true',
        KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      })
      .start();
    const brokers = [`${container.getHost()}:${container.getMappedPort(9093)}`];
    const reason = await whyKafkaIsNotUp(brokers, START_MS_MAX);
    if (reason !== undefined) {
      await container.stop();
      return { reason: `${IMAGE} started but ${reason}` };
    }
    const how = `Kafka in Docker (${IMAGE}) at ${brokers.join(', ')}: an engine answers at ${engine}`;
    return { broker: { how, brokers, owned: true, stop: async () => void (await container.stop()) } };
  } catch (error) {
    return { reason: `the engine at ${engine} answers, but ${IMAGE} did not start: ${messageOf(error)}` };
  }
}

/** Where an engine accepts connections: `DOCKER_HOST`, else the usual sockets; undefined when nowhere. */
export async function dockerEngine(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const host = environment['DOCKER_HOST'];
  const candidates = host
    ? [host]
    : [
        '/var/run/docker.sock',
        join(homedir(), '.docker/run/docker.sock'),
        join(homedir(), '.colima/default/docker.sock'),
      ]
        .filter((path) => existsSync(path))
        .map((path) => `unix://${path}`);
  for (const candidate of candidates) if (await answers(candidate)) return candidate;
  return undefined;
}

async function answers(address: string): Promise<boolean> {
  if (!URL.canParse(address)) return false;
  const { protocol, pathname, hostname, port } = new URL(address);
  return await new Promise((resolve) => {
    const socket =
      protocol === 'unix:' ? connect({ path: pathname }) : connect({ host: hostname, port: Number(port || 2375) });
    const done = (up: boolean) => {
      socket.destroy();
      resolve(up);
    };
    socket.setTimeout(ANSWER_MS_MAX, () => done(false));
    socket.once('connect', () => done(true));
    socket.once('error', () => done(false));
  });
}
