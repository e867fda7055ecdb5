import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { startKafka, startPostgres, type KafkaBroker, type PostgresServer } from '@highwater/local-stack';
import { seedDatabase } from '../../libs/local-stack/src/demo/seed.js';
import { serviceAccess, startApplication, type ApplicationProcess } from '../support/demo-world.js';
import { unique } from '../support/stack.js';
import { auditSettings, type AuditedTable } from './record/audit.js';
import { Reconnecting } from './record/looped.js';
import { record, type Recording } from './record/recording.js';
import { canary } from './record/topic-readers.js';
import { Services } from './services.js';

export const migration = 'chaos';

const plan = `
highwater: 1
migration: ${migration}
defaults:
  target: { column: workspaceId, type: text }
  references: { table: Workspace, onDelete: restrict }
tables:
  - table: Group
    rule: { column: orgId }
    indexes: { Group_workspaceId_idx: [workspaceId] }
  - table: Activity
    rule: { firstOf: [ { via: groupId, then: { column: workspaceId } }, { via: groupId, then: { column: orgId } } ] }
    indexes: { Activity_workspaceId_status_idx: [workspaceId, status] }
  - table: Response
    rule: { firstOf: [ { via: activityId }, { via: groupId } ] }
cutover: { mode: bridge, start: manual, window: 2s }
limits: { sweepRowsPerSecondMax: 2500, chunkRowsMax: 300, lockAttempts: 8 }
accept: [TriggerOnUpdate]
`;

const ofGroup = (group: string): string =>
  `select coalesce(g."workspaceId", g."orgId") from "Group" g where g.id = ${group}`;
/** The demo's rules, written by hand. */
const tables: readonly AuditedTable[] = [
  { name: 'Group', key: 'id', target: 'workspaceId', rule: `r."orgId"` },
  { name: 'Activity', key: 'id', target: 'workspaceId', rule: ofGroup(`r."groupId"`) },
  {
    name: 'Response',
    key: 'id',
    target: 'workspaceId',
    rule: `coalesce((${ofGroup(`(select a."groupId" from "Activity" a where a.id = r."activityId")`)}), (${ofGroup(`r."groupId"`)}))`,
  },
];

/** A cluster, a broker, the old application, service processes and a recorder. */
export interface World {
  readonly folder: string;
  readonly postgres: PostgresServer;
  readonly kafka: KafkaBroker;
  readonly topicPrefix: string;
  readonly url: string;
  readonly plan: string;
  readonly ddlRole: string;
  readonly admin: Reconnecting;
  readonly services: Services;
  readonly application: ApplicationProcess;
  readonly recording: Recording;
  /** When PostgreSQL was away, as milliseconds. */
  readonly outages: { from: number; to: number }[];
  close(): Promise<void>;
}

export async function createWorld(seed: number, rows: number): Promise<World> {
  const tag = unique();
  const folder = mkdtempSync(join(tmpdir(), 'highwater-chaos-'));
  const postgres = await startPostgres({
    settings: { ...auditSettings, fsync: 'off', shared_buffers: '128MB', max_connections: '300' },
  });
  const kafka = await startKafka();
  const undo: (() => Promise<unknown>)[] = [() => postgres.stop(), () => kafka.stop()];
  const close = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step().catch(() => undefined);
  };
  try {
    const url = await postgres.createDatabase('chaos');
    await seedDatabase(url, {
      ...{ rows, groups: 1_000, seed },
      ...{ ownerRole: `owner_${tag}`, applicationRole: `app_${tag}`, applicationPassword: 'app' },
    });
    const topicPrefix = `chaos${tag}`;
    const client = new pg.Client({ connectionString: url, application_name: 'chaos setting' });
    await client.connect();
    // a text that must never come out anywhere
    await client.query(
      `update "Activity" set title = '${canary} ' || id where id in (select id from "Activity" limit 500)`,
    );
    await client.query(`alter role app_${tag} connection limit 50`);
    const password = `${canary}${tag}`;
    const access = await serviceAccess(client, { url, tag, plan, brokers: kafka.brokers, topicPrefix, password });
    await client.end();
    const services = new Services(access.environment, folder);
    const recording = await record({
      ...{ url, migration, tables, kafka: { brokers: kafka.brokers, topicPrefix } },
      roles: [access.roles.state, access.roles.fill, access.roles.stream],
      logs: services.logs,
      limits: { lockBudgetMs: 500, rowBudgetMs: 200 },
      pids: () => services.pids(),
    });
    undo.push(() => recording.close());
    const application = startApplication(url, `app_${tag}`, { seed, rate: 60 });
    undo.push(() => Promise.resolve(application.kill()));
    await application.ready;
    undo.push(() => services.stop());
    const admin = new Reconnecting(url, 'chaos nemesis');
    undo.push(() => admin.end());
    const outages: World['outages'] = [];
    const ddlRole = access.roles.ddl;
    return {
      ...{ folder, postgres, kafka, topicPrefix, url, plan, ddlRole, admin, services, application, recording, outages },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
