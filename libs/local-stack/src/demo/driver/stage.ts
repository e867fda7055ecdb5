import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKafka } from '../../kafka.js';
import { startPostgres } from '../../postgres.js';
import { dropRoles } from '../seed.js';
import type { Cleanup } from './cleanup.js';
import { seconds } from './output.js';
import type { Say } from './output.js';
import { deleteTopics } from './topics.js';

/** Servers, a seeded database and a folder for logs. */
export interface Stage {
  readonly folder: string;
  /** The demo's own database as its superuser: only seeding, measuring and the oracle use it. */
  readonly superuserUrl: string;
  readonly applicationUrl: string;
  /** None: there is no Kafka. */
  readonly brokers: readonly string[];
  readonly topicPrefix: string;
  /** Of the five access roles. */
  readonly rolePrefix: string;
}

/** What is set up there: a name for folder and topics, and how the empty database gets its tables and rows. */
export interface Scenery {
  readonly name: string;
  readonly database: string;
  /** False: nobody will use it, so none is looked for. */
  readonly kafka: boolean;
  /** Answers what was loaded, in words. */
  seed(superuserUrl: string, accounts: StageAccounts): Promise<string>;
}

export interface StageAccounts {
  /** Owns the tables and cannot log in. */
  readonly ownerRole: string;
  readonly applicationRole: string;
  readonly applicationPassword: string;
}

/** The account of `url` replaced. */
export const asUser = (url: string, username: string, password: string): string =>
  Object.assign(new URL(url), { username, password }).href;

export async function setStage(
  scenery: Scenery,
  say: Say,
  cleanup: Cleanup,
  keepFolder: () => boolean,
): Promise<Stage> {
  const tag = randomBytes(3).toString('hex');
  const folder = join(tmpdir(), `highwater-${scenery.name}-${tag}`);
  mkdirSync(folder, { mode: 0o700 });
  cleanup.add('folder of logs', async () => {
    if (!keepFolder()) rmSync(folder, { recursive: true, force: true });
    return Promise.resolve();
  });
  say('setting', `logs are in ${folder} (kept when something goes wrong)`);

  const postgres = await startPostgres();
  const rolePrefix = `hw_${tag}_`;
  const names = { owner: `app_owner_${tag}`, application: `app_${tag}` };
  cleanup.add('PostgreSQL', async () => {
    await postgres.stop();
    if (postgres.owned) return;
    const access = ['stream', 'fill', 'state', 'ddl', 'bridge'].map((role) => `${rolePrefix}${role}`);
    await dropRoles(postgres.superuserUrl, [...access, names.application, names.owner]);
  });
  say('setting', postgres.how);

  const { brokers, topicPrefix } = scenery.kafka
    ? await setKafka(`${scenery.name}-${tag}`, say, cleanup)
    : { brokers: [], topicPrefix: 'highwater' };
  const from = Date.now();
  const superuserUrl = await postgres.createDatabase(scenery.database);
  const applicationPassword = randomBytes(12).toString('hex');
  const loaded = await scenery.seed(superuserUrl, {
    ownerRole: names.owner,
    applicationRole: names.application,
    applicationPassword,
  });
  say('setting', `${loaded} loaded in ${seconds(Date.now() - from)}`);
  return {
    folder,
    superuserUrl,
    applicationUrl: asUser(superuserUrl, names.application, applicationPassword),
    brokers,
    topicPrefix,
    rolePrefix,
  };
}

async function setKafka(tag: string, say: Say, cleanup: Cleanup): Promise<Pick<Stage, 'brokers' | 'topicPrefix'>> {
  const kafka = await startKafka();
  // on a broker that others use, topics of our own
  const topicPrefix = kafka.owned ? 'highwater' : `highwater-${tag}`;
  cleanup.add('Kafka', async () => {
    if (!kafka.owned) await deleteTopics(kafka.brokers, topicPrefix);
    await kafka.stop();
  });
  say('setting', kafka.how);
  return { brokers: kafka.brokers, topicPrefix };
}
