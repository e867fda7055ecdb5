import { createRequire } from 'node:module';
import type { Cluster } from 'kafkajs';
import { expect, it } from 'vitest';
import { FetchEnd } from './end-fetching.js';

interface FetchManager {
  start(): Promise<void>;
  stop(): Promise<void>;
}
const create = createRequire(import.meta.url)('kafkajs/src/consumer/fetchManager') as (options: object) => FetchManager;
const quiet = { namespace: () => quiet, debug: () => undefined, info: () => undefined };

it('a consumer that is stopped while a broker comes makes no fetchers that nobody stops', async () => {
  let brokers = ['1', '2'];
  const cluster = { getNodeIds: () => brokers };
  const end = new FetchEnd();
  end.assigner({ cluster: cluster as unknown as Cluster, groupId: 'group', logger: quiet as never });
  let [running, inVain] = [true, 0];
  const polls = new Map<string, () => void>();
  // as kafkajs' Runner: nothing once it is stopped, else what the broker answers in its time
  const fetch = async (broker: string): Promise<[]> => {
    if (running) await new Promise<void>((answer) => polls.set(broker, answer));
    else if ((inVain += 1) > 100) throw new Error('it asks in a circle');
    return [];
  };
  const manager = create({ logger: quiet, getNodeIds: () => cluster.getNodeIds(), fetch, handler: () => undefined });
  const started = manager.start();
  brokers = ['1', '2', '3'];
  polls.get('1')?.(); // notices at its next poll, and the other is waited for
  await new Promise((turn) => setImmediate(turn));
  end.end();
  running = false;
  await manager.stop();
  polls.get('2')?.();
  await expect(started).rejects.toThrow('No broker available');
  expect(inVain).toBe(0);
});
