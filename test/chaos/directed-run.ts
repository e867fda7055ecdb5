import type pg from 'pg';
import { check, print, violated } from './checker/check.js';
import type { Verdict } from './checker/history.js';
import type { AuditedTable } from './record/audit.js';
import { record, type Recording } from './record/recording.js';
import { quietKafka } from './record/topic-readers.js';
import { quickPlan, startRun, type Run } from '../support/engine-run.js';
import { waitFor } from '../support/stack.js';

/** The rules of the small system's plan, written by hand. */
const tables: readonly AuditedTable[] = [
  { name: 'Group', key: 'id', target: 'workspaceId', rule: `r."orgId"` },
  {
    name: 'Activity',
    key: 'id',
    target: 'workspaceId',
    rule: `select coalesce(g."workspaceId", g."orgId") from "Group" g where g.id = r."groupId"`,
  },
];

/** A short run with a recorder beside it, for a schedule that a person wrote. */
export interface DirectedRun {
  readonly run: Run;
  readonly recording: Recording;
  readonly kafka: { readonly brokers: readonly string[]; readonly topicPrefix: string };
  readonly hintsTopic: string;
  /** What the checker says against the run; each invariant with its witnesses. Ends the recording. */
  judge(applicationErrors?: Readonly<Record<string, number>>): Promise<Verdict[]>;
  /** The conditions that are not True now. */
  unmet(): Promise<string[]>;
  close(): Promise<void>;
}

export async function directedRun(
  url: string,
  migration: string,
  options: { roles?: ('control' | 'relay' | 'filler' | 'sweeper')[]; plan?: (yaml: string) => string } = {},
): Promise<DirectedRun> {
  let recording: Recording | undefined;
  let kafka: DirectedRun['kafka'] | undefined;
  const yaml = `${quickPlan(migration, { stream: true })}accept: [TriggerOnUpdate]\n`;
  const run = await startRun(url, options.plan?.(yaml) ?? yaml, {
    kafka: true,
    ...(options.roles ? { roles: options.roles } : {}),
    async beside(prepared, settings) {
      if (!settings) throw new Error('a directed run has Kafka');
      kafka = settings;
      const { roles } = prepared;
      recording = await record({
        url,
        migration,
        tables,
        kafka,
        roles: [roles.state, roles.fill, roles.stream],
        logs: [],
        limits: { lockBudgetMs: 5_000, rowBudgetMs: 200 },
        pids: () => [process.pid],
      });
    },
  });
  if (!recording || !kafka) throw new Error('nothing was recorded');
  const recorder = recording;
  await recorder.installed();
  return {
    run,
    recording: recorder,
    kafka,
    hintsTopic: `${kafka.topicPrefix}.${migration}.hints`,
    async judge(applicationErrors = {}) {
      const verdicts = check(await recorder.history(applicationErrors));
      if (violated(verdicts).length > 0) console.info(print(violated(verdicts)).join('\n'));
      return verdicts;
    },
    async unmet() {
      const { conditions } = await run.engine.control.readiness(run.id);
      return conditions.filter(({ status }) => status !== 'True').map(({ type }) => type);
    },
    async close() {
      await recorder.close();
      await run.close();
    },
  };
}

/** The invariants that were broken, by name. */
export const broken = (verdicts: readonly Verdict[]): string[] => violated(verdicts).map(({ invariant }) => invariant);

/** The bridge stands: from here on the run waits for the operator, and live fill goes on. */
export const bridged = (directed: DirectedRun): Promise<void> => directed.run.until('bridged');

/** Nothing tells that something will not happen: the recorders look on for so long. */
export const lookOn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A client past the bridge, so that it can still insert rows without a value: as replication does, which fires no ordinary trigger. */
export async function pastTheBridge(directed: DirectedRun, name = 'application import'): Promise<pg.Client> {
  const client = await directed.run.client(name);
  await client.query(`set session_replication_role = replica`);
  return client;
}

export const withoutValue = (n: number): string =>
  `insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'without value' from generate_series(1, ${n}) g`;

/** Asks the operator's verb and waits until it is acknowledged. Answers that moment. */
export async function acknowledged({ run }: DirectedRun, verb: 'pause' | 'halt' | 'resume'): Promise<number> {
  const { id } = await run.engine.control[verb](run.id, { actor: { name: 'test', method: 'os' } });
  await waitFor(
    `${verb} to be acknowledged`,
    async () => (await run.engine.control.operation(id))?.status === 'succeeded',
    { everyMs: 2 },
  );
  return Date.now();
}

/** Until live fill has an answer for every hint there is. */
export async function settled({ kafka, hintsTopic, run }: DirectedRun): Promise<void> {
  const admin = quietKafka(kafka).admin();
  await admin.connect();
  let last: unknown;
  try {
    await waitFor(
      'every hint to be settled',
      async () => {
        const ends = await admin.fetchTopicOffsets(hintsTopic);
        const [group] = await admin.fetchOffsets({
          groupId: `${kafka.topicPrefix}.${run.id}.filler`,
          topics: [hintsTopic],
        });
        last = { ends, committed: group?.partitions };
        return ends.every(({ partition, high }) => {
          const offset = group?.partitions.find((one) => one.partition === partition)?.offset ?? '-1';
          return Number(offset) >= Number(high) || Number(high) === 0;
        });
      },
      { timeoutMs: 30_000, everyMs: 50, describe: () => last },
    );
  } finally {
    await admin.disconnect();
  }
}
