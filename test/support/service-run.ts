import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { planOf, prepare, workspaceSchema, workspaceSeed, type Prepared } from './least-privilege.js';
import { hasReached } from './phases.js';
import { busyMachineBody, outcomeOf, untilReadinessStays } from './readiness-moved-on.js';
import { ask, startService, type ServiceProcess } from './service-process.js';
import { brokers, patienceMs as patience, unique, waitFor } from './stack.js';

export type Answer = NonNullable<Awaited<ReturnType<typeof ask>>>;

/** One migration of a service, as a test follows it. */
export interface ServedMigration {
  readonly id: string;
  phase(): Promise<unknown>;
  until(phase: string, timeoutMs?: number): Promise<void>;
  /**
   * Waits for readiness, asks for the cutover, with a lock budget and attempts that outlast a busy machine unless `body` names others, and answers the
   * accepted operation's id: whether an attempt begins is told later.
   */
  askForCutover(body?: Record<string, unknown>): Promise<string>;
  /** The same, until an attempt has begun: asked for again when readiness moved on between acceptance and beginning, as whoever is told so does. */
  cutover(body?: Record<string, unknown>): Promise<string>;
  events(): Promise<{ type: string; data: Record<string, unknown>; metadata: Record<string, unknown> }[]>;
}

/** A whole migration by the service as a process, which a test may kill, freeze and start again. */
export interface ServiceRun extends ServedMigration {
  readonly prepared: Prepared;
  /** Starts one process more; the run talks to the newest. `failpoints` as in HIGHWATER_FAILPOINTS. */
  start(options?: { failpoints?: string; roles?: string }): Promise<ServiceProcess>;
  /** Asks the newest process; undefined while nobody answers. */
  call(path: string, init?: Parameters<typeof ask>[2]): Promise<Answer | undefined>;
  /** Asks until it was answered with 2xx; the same idempotency key each time. */
  asked(path: string, body: object | string, headers?: Record<string, string>): Promise<Answer>;
  /** Plans and starts one more beside it, with the grants that it needs. */
  another(plan: string): Promise<ServedMigration>;
  operation(id: string): Promise<Record<string, unknown>>;
  /** Waits until it succeeded or failed. */
  settled(id: string, timeoutMs?: number): Promise<Record<string, unknown>>;
  client(applicationName: string): Promise<pg.Client>;
  log(): string;
  close(): Promise<void>;
}

export async function serviceRun(
  url: string,
  plan: string,
  {
    schema = workspaceSchema,
    seed = workspaceSeed,
    kafka = false,
    allowedFunctions = [],
    patienceMs = patience,
  }: {
    schema?: string;
    seed?: string;
    kafka?: boolean;
    allowedFunctions?: readonly string[];
    /** How long a phase, readiness or an operation is waited for, unless a call says otherwise. */
    patienceMs?: number;
  } = {},
): Promise<ServiceRun> {
  const prepared = await prepare(url, schema, plan, { install: false, allowedFunctions });
  await prepared.admin.query(seed);
  const { urls } = prepared.database.settings;
  const logFile = join(mkdtempSync(join(tmpdir(), 'highwater-run-')), 'service.log');
  const environment: Record<string, string> = {
    HIGHWATER_STREAM_URL: urls.stream,
    HIGHWATER_FILL_URL: urls.fill,
    HIGHWATER_STATE_URL: urls.state,
    HIGHWATER_DDL_URL: urls.ddl,
    HIGHWATER_KAFKA_SESSION: '1200ms',
    HIGHWATER_TOPIC_PREFIX: `run${unique()}`,
    ...(allowedFunctions.length > 0 ? { HIGHWATER_ALLOWED_FUNCTIONS: allowedFunctions.join(',') } : {}),
    ...(kafka ? { HIGHWATER_KAFKA_BROKERS: (await brokers()).join(',') } : {}),
  };
  const started: ServiceProcess[] = [];
  const clients: pg.Client[] = [];
  const newest = (): ServiceProcess | undefined => started.at(-1);
  const call: ServiceRun['call'] = async (path, init) => {
    const service = newest();
    return service && ask(service.url, path, init);
  };
  const asked: ServiceRun['asked'] = async (path, body, headers = {}) => {
    const key = { 'idempotency-key': unique() + unique() };
    let last: unknown;
    return waitFor(
      `${path} to be accepted`,
      async () => {
        const answer = await call(path, { body, headers: { ...key, ...headers } });
        last = answer?.body;
        return answer && answer.status < 300 ? answer : undefined;
      },
      { everyMs: 50, describe: () => last },
    );
  };
  const operation: ServiceRun['operation'] = async (operationId) =>
    (
      await waitFor(`operation ${operationId} to be readable`, async () => {
        const answer = await call(`/operations/${operationId}`);
        return answer?.status === 200 ? answer : undefined;
      })
    ).body;
  const follow = (id: string): ServedMigration => followed(id, { prepared, call, logFile, patienceMs });
  const first = follow(prepared.plan.migration);
  const run: ServiceRun = {
    ...first,
    prepared,
    call,
    asked,
    operation,
    async start({ failpoints, roles } = {}) {
      const service = await startService(
        {
          ...environment,
          HIGHWATER_INSTANCE: `run-${started.length + 1}`,
          ...(failpoints === undefined ? {} : { HIGHWATER_FAILPOINTS: failpoints }),
          ...(roles === undefined ? {} : { HIGHWATER_ROLES: roles }),
        },
        logFile,
      );
      started.push(service);
      return service;
    },
    async another(source) {
      await prepared.grantFor(source);
      const one = follow(planOf(source).migration);
      await asked('/migrations', source);
      await asked(`/migrations/${one.id}/start`, {});
      return one;
    },
    settled: async (operationId, timeoutMs = patienceMs) =>
      waitFor(
        `operation ${operationId} to end`,
        async () => {
          const now = await operation(operationId);
          return now['status'] === 'succeeded' || now['status'] === 'failed' ? now : undefined;
        },
        { timeoutMs, everyMs: 50, describe: async () => ({ ...(await operation(operationId)), logFile }) },
      ),
    async client(applicationName) {
      const client = new pg.Client({ connectionString: url, application_name: applicationName });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    log: () => readFileSync(logFile, 'utf8'),
    async close() {
      for (const service of started) {
        if (service.child.exitCode !== null || service.child.signalCode !== null) continue;
        await service.kill('SIGKILL');
      }
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await prepared.close();
    },
  };
  return run;
}

function followed(
  id: string,
  {
    prepared,
    call,
    logFile,
    patienceMs,
  }: Pick<ServiceRun, 'prepared' | 'call'> & { readonly logFile: string; readonly patienceMs: number },
): ServedMigration {
  const describe = async (): Promise<unknown> => ({
    status: (await call(`/migrations/${id}`))?.body['reason'],
    unmet: (
      (await call(`/cutover/readiness?migration=${id}`))?.body['conditions'] as { status: string }[] | undefined
    )?.filter((one) => one.status !== 'True'),
    logFile,
  });
  const self: ServedMigration = {
    id,
    phase: async () => (await call(`/migrations/${id}`))?.body['phase'],
    until: async (phase, timeoutMs = patienceMs) => {
      await waitFor(
        `phase ${phase} of ${id}`,
        async () => hasReached(String((await call(`/migrations/${id}`))?.body['phase']), phase),
        { timeoutMs, everyMs: 100, describe },
      );
    },
    async askForCutover(body = {}) {
      let last: unknown;
      let headers: Record<string, string> | undefined;
      const answer = await waitFor(
        `the cutover of ${id} to be accepted`,
        async () => {
          if (!headers) {
            const readiness = await call(`/cutover/readiness?migration=${id}`);
            if (readiness?.body['ready'] !== true) return undefined;
            headers = { 'if-match': readiness.etag ?? '', 'idempotency-key': unique() + unique() };
          }
          const asking = await call(`/cutover?migration=${id}`, {
            body: { reason: 'test', ...busyMachineBody, ...body },
            headers,
          });
          if (!asking) return undefined; // accepted or not, nobody lived to say it: asked again under the same key
          headers = undefined;
          last = asking.body;
          return asking.status === 202 ? asking : undefined;
        },
        { timeoutMs: patienceMs, everyMs: 100, describe: async () => ({ last, ...((await describe()) as object) }) },
      );
      return String(answer.body['id']);
    },
    cutover: (body) =>
      untilReadinessStays(id, async () => {
        const operation = await self.askForCutover(body);
        const look = async () => {
          const { rows } = await prepared.admin.query<{
            status: string;
            error: Record<string, string>;
            began: boolean;
          }>(
            `select status, coalesce(error, '{}') as error, exists (
               select from highwater.event where stream_id = $2 and type = 'CutoverBegan' and metadata ->> 'operationId' = $1::text) as began
               from highwater.operation where id::text = $1`,
            [operation, `migration/${id}`],
          );
          return rows[0];
        };
        const found = await waitFor(
          `the attempt of operation ${operation} to begin`,
          async () => {
            const now = await look();
            return now && (now.began || ['succeeded', 'failed'].includes(now.status)) ? now : undefined;
          },
          { timeoutMs: patienceMs, describe: async () => ({ ...(await look()), logFile }) },
        );
        return outcomeOf(operation, found.began ? undefined : found.error);
      }),
    async events() {
      const { rows } = await prepared.admin.query<{
        type: string;
        data: Record<string, unknown>;
        metadata: Record<string, unknown>;
      }>(`select type, data, metadata from highwater.event where stream_id = $1 order by version`, [`migration/${id}`]);
      return rows;
    },
  };
  return self;
}

/** Plans and starts the migration and waits until it is bridged. */
export async function runToBridged(run: ServiceRun, plan: string): Promise<void> {
  await waitFor('the plan to be accepted', async () => {
    const answer = await run.call('/migrations', { body: plan });
    return answer?.status === 202;
  });
  await run.asked(`/migrations/${run.id}/start`, {});
  await run.until('bridged');
}

/** Waits until the process has ended, by the signal named. */
export const gone = (service: ServiceProcess, what: string): Promise<string> =>
  waitFor(
    what,
    () => service.child.signalCode ?? (service.child.exitCode === null ? undefined : `${service.child.exitCode}`),
  );

/** Waits until the process was stopped (SIGSTOP), as Linux says. */
export const frozen = (service: ServiceProcess, what: string): Promise<boolean> =>
  waitFor(what, () => /\) T /.test(readFileSync(`/proc/${service.child.pid}/stat`, 'utf8')));
