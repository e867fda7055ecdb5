import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { postgresTemplate, startKafka } from '@highwater/local-stack';
import type { KafkaBroker, PostgresMajor, PostgresTemplate } from '@highwater/local-stack';

declare module 'vitest' {
  interface ProvidedContext {
    /**
     * What the files of a run share, asked over HTTP and made for who asks first: `kafka` answers the broker's addresses, `postgres/<major>` the data
     * directory that clusters of that version begin with.
     */
    shared: string;
  }
}

interface Shared {
  users: number;
  broker?: Promise<KafkaBroker>;
  templates: Map<PostgresMajor, ReturnType<typeof postgresTemplate>>;
}

/** One for the whole run, whichever projects take part in it. */
const shared = ((globalThis as { highwaterShared?: Shared }).highwaterShared ??= { users: 0, templates: new Map() });

async function brokers(): Promise<readonly string[]> {
  shared.broker ??= startKafka();
  return (await shared.broker).brokers;
}

async function template(major: PostgresMajor): Promise<PostgresTemplate> {
  const made = shared.templates.get(major) ?? postgresTemplate(major);
  shared.templates.set(major, made);
  // the next one that asks tries again
  made.catch(() => shared.templates.delete(major));
  return (await made).template;
}

function answer(what: string | undefined, response: ServerResponse): void {
  if (what === undefined) return void response.writeHead(404).end();
  const asked = what === 'kafka' ? brokers() : template(Number(what.replace('postgres/', '')) as PostgresMajor);
  asked.then(
    (found) => response.end(JSON.stringify({ found })),
    (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
  );
}

/** Tests start the programs as an operator does, from the bundle. In a copy where nothing was compiled (a mutant's) there is none to make. */
function bundleWhatIsCompiled(): void {
  const root = fileURLToPath(new URL('..', import.meta.url));
  if (existsSync(join(root, 'apps/service/dist/main.js')) && existsSync(join(root, 'apps/cli/dist/main.js')))
    execFileSync(process.execPath, [join(root, 'scripts/bundle.mjs')], { stdio: ['ignore', 'ignore', 'inherit'] });
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.users += 1;
  if (shared.users === 1) bundleWhatIsCompiled();
  // other users of the machine reach the port: only who was given the word gets the password of the run's superusers
  const word = randomBytes(16).toString('hex');
  const server = createServer((request, response) => answer(String(request.url).split(`/${word}/`)[1], response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('shared', `http://127.0.0.1:${(server.address() as AddressInfo).port}/${word}/`);
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    shared.users -= 1;
    if (shared.users > 0) return;
    const broker = await shared.broker?.catch(() => undefined);
    delete shared.broker;
    const templates = await Promise.all([...shared.templates.values()].map((made) => made.catch(() => undefined)));
    shared.templates.clear();
    await Promise.all([broker?.stop(), ...templates.map((made) => made?.remove())]);
  };
}
