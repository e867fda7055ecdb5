import { check, print, violated } from './checker/check.js';
import type { Verdict } from './checker/history.js';
import type { AuditedTable } from './record/audit.js';
import { record, type Recording } from './record/recording.js';
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

/** The stream runs, the bridge stands not yet: the moment at which hints matter. */
export const streamOpen = (directed: DirectedRun): Promise<boolean> =>
  waitFor(
    'the stream to be open and the sweep to be over',
    async () => (await directed.run.engine.control.get(directed.run.id)).stream === 'open',
    { timeoutMs: 60_000 },
  );
