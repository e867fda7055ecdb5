import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder } from './place.js';

export const KAFKA_VERSION = '4.3.0';
const LOG4J_VERSION = '2.24.3';
const MAVEN_MS_MAX = 300_000;

const artifact = (group: string, name: string, version: string): string =>
  `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version></dependency>`;

/** Without the log4j binding the broker logs nothing at all, not even why it stopped. */
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>highwater</groupId><artifactId>local-kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${artifact('org.apache.kafka', 'kafka_2.13', KAFKA_VERSION)}
    ${artifact('org.apache.logging.log4j', 'log4j-slf4j-impl', LOG4J_VERSION)}
  </dependencies>
</project>
`;

/**
 * The folder with Kafka's jars: in the per-user cache, fetched once by Maven, put in place by rename, so that two runs side
 * by side see a whole folder or none. Returns the reason when they cannot be had.
 */
export function kafkaJars(log: (line: string) => void): { folder: string } | { reason: string } {
  const home = join(cacheFolder(), `kafka-${KAFKA_VERSION}`);
  if (existsSync(jar(home))) return { folder: join(home, 'lib') };
  log(`fetching Apache Kafka ${KAFKA_VERSION} by Maven, once`);
  const scratch = `${home}.${process.pid}-${randomBytes(4).toString('hex')}`;
  mkdirSync(scratch, { recursive: true });
  try {
    writeFileSync(join(scratch, 'pom.xml'), pom);
    const output = `-DoutputDirectory=${join(scratch, 'lib')}`;
    const maven = spawnSync('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', output], {
      cwd: scratch,
      encoding: 'utf8',
      timeout: MAVEN_MS_MAX,
    });
    if (maven.error) return { reason: `Maven cannot be run (${maven.error.message})` };
    if (maven.status !== 0 || !existsSync(jar(scratch))) {
      const last = `${maven.stdout}${maven.stderr}`.trim().split('\n').slice(0, 3).join(' ');
      return { reason: `Maven could not fetch Apache Kafka ${KAFKA_VERSION}: ${last}` };
    }
    try {
      renameSync(scratch, home);
    } catch (error) {
      if (!existsSync(jar(home))) throw error; // else another run was faster, and its folder is as good
    }
    return { folder: join(home, 'lib') };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const jar = (home: string): string => join(home, 'lib', `kafka_2.13-${KAFKA_VERSION}.jar`);
