import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { compilePlan } from '@highwater/derivation';
import { openDatabase, printGrants, readCatalogForPlan, rolesWithPrefix } from '@highwater/target-db';
import { planOf } from './least-privilege.js';

/** Settings of a service process that logs in as the least-privilege roles, which exist afterwards with exactly the printed grants. */
export interface ServiceAccess {
  readonly environment: Record<string, string>;
  readonly roles: ReturnType<typeof rolesWithPrefix>;
}

export async function serviceAccess(
  admin: pg.Client,
  settings: {
    readonly url: string;
    readonly tag: string;
    readonly plan: string;
    readonly brokers: readonly string[];
    readonly topicPrefix: string;
    readonly password?: string;
  },
): Promise<ServiceAccess> {
  const { url, tag, plan, password = 'secret' } = settings;
  const prefix = `hw${tag}_`;
  const superuser = openDatabase({ urls: { stream: url, fill: url, state: url, ddl: url } });
  const parsed = planOf(plan);
  const compiled = compilePlan(parsed, await readCatalogForPlan(superuser.state, parsed));
  if ('issues' in compiled) throw new Error(compiled.issues.map((issue) => issue.message).join('; '));
  await admin.query(await printGrants(superuser.ddl, { derivations: compiled.derivations, rolePrefix: prefix }));
  await superuser.close();
  const roles = rolesWithPrefix(prefix);
  const as = (role: string): string => Object.assign(new URL(url), { username: role, password }).toString();
  for (const role of [roles.stream, roles.fill, roles.state, roles.ddl])
    await admin.query(`alter role ${role} password '${password}'`);
  return {
    roles,
    environment: {
      HIGHWATER_STREAM_URL: as(roles.stream),
      HIGHWATER_FILL_URL: as(roles.fill),
      HIGHWATER_STATE_URL: as(roles.state),
      HIGHWATER_DDL_URL: as(roles.ddl),
      HIGHWATER_KAFKA_BROKERS: settings.brokers.join(','),
      // kafkajs has no static membership: a killed member is missed only when its session ends
      HIGHWATER_KAFKA_SESSION: '1200ms',
      HIGHWATER_TOPIC_PREFIX: settings.topicPrefix,
    },
  };
}

/** One line of the demo's application. */
export interface ApplicationLine {
  readonly kind: string;
  readonly at: string;
  readonly tally: {
    readonly transactions: number;
    readonly inserted: number;
    readonly errors: Readonly<Record<string, number>>;
    readonly errorSamples: readonly { readonly operation: string; readonly code: string; readonly message: string }[];
  };
  readonly probe: { readonly insert: { readonly worst: number }; readonly update: { readonly worst: number } };
}

export interface ApplicationProcess {
  readonly ready: Promise<void>;
  /** Every line so far, one a second. */
  readonly lines: readonly ApplicationLine[];
  /** Ends it and answers its last line. */
  stop(): Promise<ApplicationLine>;
  kill(): void;
}

const stopMsMax = 15_000;

/** The demo's old application as a process of its own. */
export function startApplication(
  url: string,
  role: string,
  options: { readonly seed: number; readonly writers?: number; readonly rate?: number },
): ApplicationProcess {
  const main = fileURLToPath(new URL('../../libs/local-stack/dist/demo/application/main.js', import.meta.url));
  const { seed, writers = 2, rate = 60 } = options;
  const child = spawn(
    process.execPath,
    [
      main,
      ...['--writers', String(writers), '--rate', String(rate), '--seed', String(seed % 1_000)],
      '--stop-on-stdin-end',
    ],
    {
      env: {
        PATH: process.env['PATH'] ?? '',
        APPLICATION_DATABASE_URL: Object.assign(new URL(url), { username: role, password: 'app' }).toString(),
      },
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const lines: ApplicationLine[] = [];
  let isReady: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (isReady = resolve));
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as ApplicationLine;
    lines.push(line);
    if (line.kind === 'ready') isReady();
  });
  return {
    ready,
    lines,
    async stop() {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      child.stdin.end(); // an open pipe would keep it alive
      // a connection that was lost with its server may never answer again: what it counted until then stands in its last line
      const late = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
      await gone;
      clearTimeout(late);
      const last = lines.at(-1);
      if (!last) throw new Error('the application printed no line');
      return last;
    },
    kill: () => void child.kill('SIGKILL'),
  };
}
