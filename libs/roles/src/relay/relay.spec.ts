import { expect, it } from 'vitest';
import { Relay, type RelayOptions } from './relay.js';

it('says what it cannot be made with, and ends when it is asked to', async () => {
  const quiet = (): void => undefined;
  const relay = new Relay({
    kafka: {
      brokers: ['broker.example:9092'],
      clientId: 'test',
      topicPrefix: 'test',
      sasl: { mechanism: 'plain', username: 'relay', password: 'secret' },
    },
    stream: { topic: 'test.hints', slot: 'hw_test' },
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  } as unknown as RelayOptions);
  await relay.start();
  await expect.poll(() => relay.status().reason).toMatch(/travel in the clear/);
  await relay.stop();
  expect(relay.status().state).toBe('stopped');
});
