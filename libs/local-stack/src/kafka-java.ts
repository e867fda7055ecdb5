import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { HighwaterError } from '@highwater/kernel';
import { codes } from './codes.js';
import { Guard } from './guard.js';
import type { KafkaAttempt, KafkaOptions } from './kafka.js';
import { KAFKA_VERSION, kafkaJars } from './kafka-jars.js';
import { whyKafkaIsNotUp } from './kafka-probe.js';
import { freePort, temporaryFolder } from './place.js';

const READY_MS_MAX = 180_000;
const PORT_TRIES = 3;
const JAVA_MAJOR_MIN = 17;

/** Apache Kafka itself, one broker in KRaft mode, on the machine's Java, under a guard process. */
export async function kafkaOnJava(options: KafkaOptions, whyNotDocker: string): Promise<KafkaAttempt> {
  const java = javaMajor();
  if (java === undefined) return { reason: 'no `java` on the path' };
  if (java < JAVA_MAJOR_MIN) return { reason: `Java ${java} is too old, ${JAVA_MAJOR_MIN} is needed` };
  const jars = kafkaJars(options.log ?? (() => undefined));
  if ('reason' in jars) return jars;
  for (let tries = 1; ; tries += 1) {
    const [port, controllerPort] = [await freePort(), await freePort()];
    const guard = broker(port, controllerPort, jars.folder, options.log);
    const brokers = [`127.0.0.1:${port}`];
    const ended = () =>
      guard.exited === undefined
        ? undefined
        : `it ended with ${guard.exited}:\n${guard.lastLines.slice(-15).join('\n')}`;
    const reason = await whyKafkaIsNotUp(brokers, READY_MS_MAX, ended);
    if (reason === undefined) {
      const how = `Apache Kafka ${KAFKA_VERSION} on Java ${java} at ${brokers.join(', ')}: HIGHWATER_KAFKA_BROKERS is not set, Docker: ${whyNotDocker}`;
      const restart = async (mode: 'fast' | 'immediate') => {
        await guard.restart(mode);
        const late = await whyKafkaIsNotUp(brokers, READY_MS_MAX, ended);
        if (late !== undefined) {
          throw new HighwaterError(
            codes.kafkaUnavailable,
            'never',
            `Kafka did not come back after a ${mode} restart: ${late}`,
          );
        }
      };
      return { broker: { how, brokers, owned: true, restart, stop: () => guard.stop() } };
    }
    await guard.stop();
    if (tries < PORT_TRIES && /BindException|Address already in use/.test(reason)) continue;
    return { reason: `Apache Kafka ${KAFKA_VERSION} did not come up: ${reason}` };
  }
}

function broker(port: number, controllerPort: number, jars: string, log?: (line: string) => void): Guard {
  const directory = temporaryFolder('kafka');
  const properties = join(directory, 'server.properties');
  const java = (mainClass: string, ...rest: string[]) => ({
    command: 'java',
    args: [
      '-Xmx512m',
      `-Dlog4j2.configurationFile=${join(directory, 'log4j2.properties')}`,
      '-cp',
      `${jars}/*`,
      mainClass,
      ...rest,
    ],
  });
  return new Guard(
    {
      directory,
      files: {
        'server.properties': serverProperties(directory, port, controllerPort),
        'log4j2.properties': logProperties,
      },
      before: [java('kafka.tools.StorageTool', 'format', '-t', clusterId(), '-c', properties, '--standalone')],
      server: java('kafka.Kafka', properties),
      env: {},
      signals: { fast: 'SIGTERM', immediate: 'SIGKILL' },
    },
    log,
  );
}

const serverProperties = (directory: string, port: number, controllerPort: number): string =>
  Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(directory, 'data'),
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    // kafkajs has no static membership: only a short session lets a killed process's partitions move on within a test.
    'group.min.session.timeout.ms': 1000,
    'auto.create.topics.enable': false,
    'delete.topic.enable': true,
  })
    .map(([name, value]) => `${name}=${String(value)}\n`)
    .join('');

const logProperties = `status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
`;

/** Kafka's own form of a UUID; a leading dash would be read as an option. */
const clusterId = (): string => `h${randomBytes(16).toString('base64url').slice(1)}`;

function javaMajor(): number | undefined {
  const { stderr, status } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const major = /version "(?:1\.)?(\d+)/.exec(stderr)?.[1];
  return major === undefined ? undefined : Number(major);
}
