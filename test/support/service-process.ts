import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { withinLimit } from './stack.js';

const main = fileURLToPath(new URL('../../dist/service.js', import.meta.url));

/** The service as the process an operator runs, from the compiled code. */
export interface ServiceProcess {
  readonly url: string;
  readonly child: ChildProcess;
  kill(signal: NodeJS.Signals): Promise<void>;
}

/** Starts it and resolves when it listens. Its log goes to `logFile`. */
export async function startService(environment: Record<string, string>, logFile: string): Promise<ServiceProcess> {
  const child = spawn(process.execPath, [main], {
    env: { PATH: process.env['PATH'] ?? '', HIGHWATER_HTTP: '127.0.0.1:0', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log = createWriteStream(logFile, { flags: 'a' });
  child.stderr.pipe(log, { end: false });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const listens = new Promise<string>((resolve, reject) => {
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => {
      log.write(`${line}\n`);
      if (line.startsWith('{"listening"')) resolve((JSON.parse(line) as { listening: string }).listening);
    });
    child.once('exit', (code, signal) =>
      reject(new Error(`the service ended before it listened (${code ?? signal}); see ${logFile}`)),
    );
    child.once('error', reject);
  });
  const url = await withinLimit(`the service to listen; see ${logFile}`, listens);
  return {
    url,
    child,
    async kill(signal) {
      child.kill(signal);
      await withinLimit(`the service to end after ${signal}; see ${logFile}`, gone);
    },
  };
}

/** One request; a refused connection is an answer too (the service is being killed), so it is `undefined`, not a throw. */
export async function ask(
  url: string,
  path: string,
  init: { method?: string; body?: string | object; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: Record<string, unknown>; etag: string | null } | undefined> {
  try {
    const response = await fetch(new URL(path, url), {
      method: init.method ?? (init.body === undefined ? 'GET' : 'POST'),
      headers: {
        'content-type': typeof init.body === 'string' ? 'application/yaml' : 'application/json',
        'highwater-actor': 'test',
        // a connection kept for the next request may be closed by the server in the moment in which it is used again
        connection: 'close',
        ...init.headers,
      },
      ...(init.body === undefined
        ? {}
        : { body: typeof init.body === 'string' ? init.body : JSON.stringify(init.body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
      etag: response.headers.get('etag'),
    };
  } catch {
    return undefined;
  }
}
