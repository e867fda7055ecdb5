import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { startKafka } from '@highwater/local-stack';
import type { KafkaBroker } from '@highwater/local-stack';

declare module 'vitest' {
  interface ProvidedContext {
    /** Asked over HTTP, it answers the brokers' addresses as JSON; the first question starts the broker. */
    kafkaBrokers: string;
  }
}

/** One broker for the whole run, whichever projects take part in it, and none when no spec asks for it. */
interface Shared {
  users: number;
  broker?: Promise<KafkaBroker>;
}

const shared = ((globalThis as { highwaterKafka?: Shared }).highwaterKafka ??= { users: 0 });

/** Starts nothing yet: `brokers()` of test/support/stack.ts does, through the address provided here. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  shared.users += 1;
  const server = createServer((_request, response) => {
    shared.broker ??= startKafka();
    shared.broker.then(
      ({ brokers }) => response.end(JSON.stringify({ brokers })),
      (error: unknown) => response.end(JSON.stringify({ error: String(error) })),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('kafkaBrokers', `http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  return async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    shared.users -= 1;
    if (shared.users > 0) return;
    const broker = await shared.broker?.catch(() => undefined);
    delete shared.broker;
    await broker?.stop();
  };
}
