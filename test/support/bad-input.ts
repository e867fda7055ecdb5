import { spawn } from 'node:child_process';
import { createServer, connect, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { ask } from './service-process.js';
import { hasReached } from './phases.js';
import { busyMachineBody, outcomeOf, refusedWith, untilReadinessStays } from './readiness-moved-on.js';
import { waitFor, withinLimit } from './stack.js';

const main = fileURLToPath(new URL('../../dist/service.js', import.meta.url));

/** The service with settings it cannot start with: how it ended and what it said where a person reads it. */
export async function startAndEnd(
  environment: Record<string, string>,
): Promise<{ code: number | null; said: string; all: string }> {
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'] ?? '', HIGHWATER_HTTP: '127.0.0.1:0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let all = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (all += chunk.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const code = await withinLimit('the service to give up', ended, undefined, () => all);
  // the log's records are JSON, one a line; the rest is the sentence
  const said = all
    .split('\n')
    .filter((line) => !line.startsWith('{'))
    .join('\n');
  return { code, said, all };
}

/** A TCP address that is there or not: closed, nothing listens and what was open is cut. */
export interface Door {
  readonly port: number;
  open(): Promise<void>;
  close(): Promise<void>;
}

export async function doorTo(host: string, port: number): Promise<Door> {
  const sockets = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(port, host);
    for (const [one, other] of [
      [from, to],
      [to, from],
    ] as const) {
      sockets.add(one);
      one.on('error', () => other.destroy()).on('close', () => (sockets.delete(one), other.destroy()));
      one.pipe(other);
    }
  });
  const listen = (at: number) =>
    new Promise<void>((resolve, reject) => server.once('error', reject).listen(at, '127.0.0.1', resolve));
  await listen(0);
  const own = (server.address() as AddressInfo).port;
  const close = async () => {
    const closed = server.listening ? new Promise((resolve) => server.close(resolve)) : undefined;
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await close();
  return { port: own, open: () => listen(own), close };
}

/** The same URL through a door. */
export const through = (url: string, door: Door): string =>
  Object.assign(new URL(url), { port: String(door.port) }).toString();

/** The settings of the four access roles. */
export const accessUrls = (
  urls: Readonly<Record<'stream' | 'fill' | 'state' | 'ddl', string>>,
): Record<string, string> =>
  Object.fromEntries(Object.entries(urls).map(([role, url]) => [`HIGHWATER_${role.toUpperCase()}_URL`, url]));

export interface Ended {
  readonly status: 'succeeded' | 'failed';
  readonly result: Record<string, unknown> | null;
  readonly error: { code: string; message: string; help?: string } | null;
}

/** One request of an operator: sent, accepted (202) and followed until its operation ended. */
export async function request(
  url: string,
  path: string,
  body: string | object = {},
  headers: Record<string, string> = {},
): Promise<Ended> {
  const answer = await ask(url, path, { body, headers });
  if (answer?.status !== 202) throw new Error(`${path} answered ${answer?.status}: ${JSON.stringify(answer?.body)}`);
  return operationEnded(url, path.split('/')[2] ?? '', answer.body);
}

/** Follows an accepted operation of that migration until it has succeeded or failed. */
const operationEnded = (url: string, id: string, { id: operation, verb }: Record<string, unknown>): Promise<Ended> =>
  waitFor(
    `operation ${String(verb)} of ${id}`,
    async () => {
      const now = await ask(url, `/operations/${String(operation)}`);
      return ['succeeded', 'failed'].includes(String(now?.body['status'])) && (now?.body as unknown as Ended);
    },
    { describe: async () => (await ask(url, `/migrations/${id}`))?.body['reason'] },
  );

export async function untilPhase(url: string, id: string, phase: string): Promise<void> {
  const view = async () => (await ask(url, `/migrations/${id}`))?.body ?? {};
  await waitFor(`phase ${phase}`, async () => hasReached(String((await view())['phase']), phase), {
    describe: view,
  });
}

/** Waits until every condition is True and answers the generation. */
export const untilReady = (url: string, id: string): Promise<string> =>
  waitFor(
    'readiness',
    async () => {
      const answer = await ask(url, `/cutover/readiness?migration=${id}`);
      return answer?.body['ready'] === true && String(answer.body['generation']);
    },
    {
      describe: async () =>
        (
          (await ask(url, `/cutover/readiness?migration=${id}`))?.body['conditions'] as
            { type: string; status: string; message: string }[] | undefined
        )
          ?.filter(({ status }) => status !== 'True')
          .map(({ type, message }) => `${type}: ${message}`),
    },
  );

/** At the generation that was seen; asked for again when readiness has moved on since, as whoever is told so does. */
export const cutoverOnceReady = (url: string, id: string): Promise<Ended> =>
  untilReadinessStays(id, async () => {
    const headers = { 'if-match': `"${await untilReady(url, id)}"` };
    const body = { reason: 'spec', ...busyMachineBody };
    const answer = await ask(url, `/cutover?migration=${id}`, { body, headers });
    if (answer?.status === 202) {
      const ended = await operationEnded(url, id, answer.body);
      return outcomeOf(ended, ended.error);
    }
    return refusedWith(
      { code: answer?.body['code'], message: answer?.body['detail'] },
      new Error(`the cutover of "${id}" answered ${answer?.status}: ${JSON.stringify(answer?.body)}`),
    );
  });

/** Everything of ours in the user's database outside schema highwater: slots, publications, triggers, indexes, constraints. */
export async function ours(admin: pg.Client): Promise<string[]> {
  const { rows } = await admin.query<{ what: string }>(
    `select 'slot ' || slot_name as what from pg_replication_slots where slot_name like 'hw\\_%' and database = current_database()
     union all select 'publication ' || pubname from pg_publication where pubname like 'hw\\_%'
     union all select 'trigger ' || tgname from pg_trigger where tgname like '~hw\\_%'
     union all select 'relation ' || relname from pg_class where relname like 'hw\\_%'
     union all select 'constraint ' || conname from pg_constraint where conname like 'hw\\_%'`,
  );
  return rows.map(({ what }) => what);
}
