import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
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
  return (await made).template;
}

function answer(path: string, response: ServerResponse): void {
  const asked = path === '/kafka' ? brokers() : template(Number(path.replace('/postgres/', '')) as PostgresMajor);
  asked.then(
    (found) => response.end(JSON.stringify({ found })),
    (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
  );
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.users += 1;
  const server = createServer((request, response) => answer(String(request.url), response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('shared', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
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
