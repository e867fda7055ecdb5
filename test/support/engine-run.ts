import pg from 'pg';
import { isHighwaterError } from '@highwater/kernel';
import { createLogger } from '@highwater/telemetry';
import { createEngine, type Engine, type Operation, type Settings } from '@highwater/roles';
import { prepare, workspacePlan, workspaceSchema, workspaceSeed, type Prepared } from './least-privilege.js';
import { hasReached } from './phases.js';
import { busyMachine, outcomeOf, refusedWith, untilReadinessStays } from './readiness-moved-on.js';
import { brokers, unique, waitFor } from './stack.js';
import { stopEngine } from './stop-engine.js';

const by = { actor: { name: 'test', method: 'os' as const } };
/** The demo's plan with a window of one second, under a name of its own; without Kafka unless `stream` is asked for. */
export const quickPlan = (name: string, options: { stream?: boolean; mode?: 'bridge' | 'strict' } = {}): string =>
  workspacePlan
    .replace('migration: organization-to-workspace', `migration: ${name}`)
    .replace('mode: bridge', `mode: ${options.mode ?? 'bridge'}`)
    .replace('window: 10m', 'window: 1s') + (options.stream === true ? '' : 'stream: none\n');

/** The demo's plan with a stream that is rebuilt when it breaks. */
export const streamPlan = (name: string, stream = 'onBreak: rebuild'): string =>
  `${quickPlan(name, { stream: true })}stream: { ${stream} }\n`;

interface CutoverLimits {
  readonly lockBudgetMs?: number;
  readonly lockAttempts?: number;
}

/** One migration of an engine, as a test follows it. */
export interface Followed {
  readonly id: string;
  until(phase: string, meanwhile?: () => Promise<unknown>): Promise<void>;
  /** Waits until every condition is True and answers the generation. */
  ready(): Promise<string>;
  /** Asks and waits until the attempt succeeded or failed; with lock attempts that outlast a busy machine unless others are given. */
  cutover(generation: string, limits?: CutoverLimits): Promise<Operation>;
  /**
   * At the generation that was seen; asked for again when readiness has moved on since, as whoever is told so does. `begin` comes between the look and
   * the request, and answers how it is taken back before the next look.
   */
  cutoverOnceReady(limits?: CutoverLimits, begin?: () => Promise<() => Promise<unknown>>): Promise<Operation>;
  /** Asks and waits until nothing of ours is left, or the operation failed. */
  finish(input?: { bridgeUnused?: boolean }): Promise<Operation>;
}

/** A whole migration in this process, as the least-privilege roles, and the application beside it. */
export interface Run extends Followed {
  readonly prepared: Prepared;
  readonly engine: Engine;
  /** Plans and starts one more beside it, with the grants that it needs. */
  another(plan: string): Promise<Followed>;
  /** An application's connection of its own; ended by `close`. */
  client(applicationName: string): Promise<pg.Client>;
  close(): Promise<void>;
}

export async function startRun(
  url: string,
  plan: string,
  {
    schema = workspaceSchema,
    seed = workspaceSeed,
    kafka = false,
    beside,
    roles = ['control', 'relay', 'filler', 'sweeper'],
    change = (settings) => settings,
    allowedFunctions = [],
    log,
  }: {
    schema?: string;
    seed?: string;
    kafka?: boolean;
    /** After the seed and before anything of ours runs: somebody who watches from the beginning. */
    beside?: (prepared: Prepared, kafka: Settings['kafka']) => Promise<void>;
    roles?: Settings['roles'];
    /** Other ways to the servers, for example through a fault proxy. */
    change?: (settings: Settings) => Settings;
    allowedFunctions?: readonly string[];
    /** Each line of the engine's log, warnings included; without it errors go to stdout. */
    log?: (line: string) => void;
  } = {},
): Promise<Run> {
  const prepared = await prepare(url, schema, plan, { install: false, allowedFunctions });
  await prepared.admin.query(seed);
  const settings: Settings = change({
    database: prepared.database.settings,
    kafka: kafka ? { brokers: await brokers(), clientId: 'test', topicPrefix: `hw${unique()}` } : undefined,
    topicPrefix: 'unused',
    kafkaSessionMs: 6_000,
    roles,
    http: { host: '127.0.0.1', port: 0, allowedHosts: [] },
    logLevel: 'error',
  });
  await beside?.(prepared, settings.kafka);
  const logger = createLogger({
    name: 'test',
    level: log ? 'info' : 'error',
    ...(log ? { destination: { write: log } } : {}),
  });
  const engine = await createEngine(settings, logger);
  await engine.start(roles);
  const clients: pg.Client[] = [];
  const start = async (source: string) => {
    const id = (await engine.control.plan(source, by)).migrationId ?? '';
    await engine.control.start(id, by);
    return followed(engine, id);
  };
  return {
    prepared,
    engine,
    ...(await start(plan)),
    async another(source) {
      await prepared.grantFor(source);
      return start(source);
    },
    async client(applicationName) {
      const client = new pg.Client({ connectionString: url, application_name: applicationName });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    async close() {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await stopEngine(engine);
      await prepared.close();
    },
  };
}

/** A migration that is there already. */
export function followed(engine: Engine, id: string): Followed {
  const settled = (operation: Operation): Promise<Operation> =>
    waitFor(
      `operation ${operation.verb}`,
      async () => {
        const now = await engine.control.operation(operation.id);
        return now?.status === 'failed' || now?.status === 'succeeded' ? now : undefined;
      },
      { describe: async () => (await engine.control.get(id)).reason },
    );
  const ready: Followed['ready'] = () =>
    waitFor(
      'readiness',
      async () => {
        const readiness = await engine.control.readiness(id);
        return readiness.ready ? readiness.generation : undefined;
      },
      {
        describe: async () => (await engine.control.readiness(id)).conditions.filter((c) => c.status !== 'True'),
      },
    );
  const cutover: Followed['cutover'] = async (generation, limits = busyMachine) =>
    settled(await engine.control.cutover(id, { generation, ...limits }, by));
  return {
    id,
    async until(phase, meanwhile) {
      await waitFor(
        `phase ${phase}`,
        async () => {
          await meanwhile?.();
          return hasReached((await engine.control.get(id)).phase, phase);
        },
        { everyMs: 50, describe: async () => (await engine.control.get(id)).reason },
      );
    },
    ready,
    cutover,
    cutoverOnceReady: (limits, begin) =>
      untilReadinessStays(id, async () => {
        const generation = await ready();
        const takeBack = await begin?.();
        const outcome = await cutover(generation, limits).then(
          (operation) => outcomeOf(operation, operation.error),
          (error: unknown) => refusedWith(isHighwaterError(error) ? error : undefined, error),
        );
        if ('moved' in outcome) await takeBack?.();
        return outcome;
      }),
    finish: async (input = {}) => settled(await engine.control.finish(id, input, by)),
  };
}
