import { afterAll, beforeAll, expect, it } from 'vitest';
import { startKafka, type KafkaBroker } from '@highwater/local-stack';
import { oldApplication } from '../../support/old-application.js';
import { usePostgres, waitFor } from '../../support/stack.js';
import { startPausedStreamRun, type StreamRun } from '../../support/stream-run.js';

/* A broker of its own, since it is killed. The sweep is paused: only the stream fills. */
const cluster = usePostgres();
let broker: KafkaBroker;
let run: StreamRun;
beforeAll(async () => {
  broker = await startKafka();
  run = await startPausedStreamRun(await cluster.freshDatabase(), 'broker', {
    change: (settings) => ({ ...settings, kafka: settings.kafka && { ...settings.kafka, brokers: broker.brokers } }),
  });
});
afterAll(async () => {
  await run.close();
  await broker.stop();
});

it.each(['immediate', 'fast'] as const)('F69 the broker restarted (%s) under writes: no hint is lost', async (mode) => {
  const application = oldApplication(await run.client('old-app'), 25);
  for (let n = 0; n < 50; n += 1) await run.insert(`${mode} before ${n}`);
  const restarted = broker.restart?.(mode);
  for (let n = 0; n < 50; n += 1) await run.insert(`${mode} while ${n}`);
  await restarted;
  await run.insert(`${mode} after`);
  const titles = [`${mode} after`];
  for (let n = 0; n < 50; n += 1) titles.push(`${mode} before ${n}`, `${mode} while ${n}`);
  await waitFor(
    'the stream to fill every row',
    async () => (await Promise.all(titles.map((title) => run.isFilled(title)))).every(Boolean),
    { timeoutMs: 60_000, everyMs: 250 },
  );
  await application.stop();
  expect(application.failed).toEqual([]);
  expect((await run.events()).map((event) => event.type)).not.toContain('StreamBroken');
});
