// The service as an operator runs it, one process or several, and its API as a client has it.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { until } from './tables.mjs';

const main = fileURLToPath(new URL('../dist/service.js', import.meta.url));

/** @param roles which of control, relay, filler and sweeper this process holds */
export async function startService(bench, kafka, roles, instance) {
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HIGHWATER_DATABASE_URL: bench.url,
      HIGHWATER_KAFKA_BROKERS: kafka.brokers.join(),
      HIGHWATER_TOPIC_PREFIX: kafka.topicPrefix,
      HIGHWATER_ROLES: roles.join(),
      HIGHWATER_INSTANCE: instance,
      HIGHWATER_HTTP: '127.0.0.1:0',
      HIGHWATER_LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let url;
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith('{"listening"')) url = JSON.parse(line).listening;
    else console.error('!', line);
  });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  const quit = () => child.kill('SIGKILL');
  process.once('exit', quit);
  await until(`the service (${roles.join()}) to listen`, () => url ?? ended(child), { timeoutMs: 60_000 });
  return {
    pid: child.pid,
    api: (method, path, body, headers) => ask(url, method, path, body, headers),
    async stop() {
      child.kill('SIGTERM');
      await gone;
      process.off('exit', quit);
    },
  };
}

function ended(child) {
  if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`);
  return false;
}

async function ask(url, method, path, body, headers = {}) {
  const response = await fetch(new URL(path, url), {
    method,
    headers: {
      'content-type': typeof body === 'string' ? 'application/yaml' : 'application/json',
      'highwater-actor': 'bench',
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.code} ${answer.detail}`);
  return answer;
}

/** Asks for something and waits until it is done; a failed operation is an error with its own words. */
export async function act(service, method, path, body, headers) {
  const accepted = await service.api(method, path, body, headers);
  let operation = accepted;
  await until(
    `operation ${accepted.verb}`,
    async () => {
      operation = await service.api('GET', `/operations/${accepted.id}`);
      if (operation.status === 'failed')
        throw new Error(`${operation.verb} failed: ${JSON.stringify(operation.error)}`);
      return operation.status === 'succeeded';
    },
    { everyMs: 50, timeoutMs: 120_000, describe: () => operation },
  );
  return operation;
}

export async function untilPhase(service, id, phases) {
  let status;
  await until(
    `phase ${phases.join(' or ')}`,
    async () => {
      status = await service.api('GET', `/migrations/${id}`);
      return phases.includes(status.phase);
    },
    { everyMs: 50, describe: () => status?.statusLine },
  );
  return status;
}
