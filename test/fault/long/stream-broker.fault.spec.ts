import { afterAll, beforeAll, expect, it } from 'vitest';
import { startKafka, type KafkaBroker } from '@highwater/local-stack';
import { oldApplication } from '../../support/old-application.js';
import { usePostgres, waitFor } from '../../support/stack.js';
import { startPausedStreamRun, type StreamRun } from '../../support/stream-run.js';

/* A broker of its own, since it is killed. The sweep is paused: only the stream fills. */
const cluster = usePostgres();
let broker: KafkaBroker;
let run: StreamRun;
let application: ReturnType<typeof oldApplication>;
beforeAll(async () => {
  broker = await startKafka();
  run = await startPausedStreamRun(await cluster.freshDatabase(), 'broker', {
    change: (settings) => ({ ...settings, kafka: settings.kafka && { ...settings.kafka, brokers: broker.brokers } }),
  });
  application = oldApplication(await run.client('old-app'), 25);
});
afterAll(async () => {
  await application.stop();
  await run.close();
  await broker.stop();
});

const filled = async (mode: string): Promise<number> =>
  (
    await run.prepared.admin.query<{ n: number }>(
      `select count(*)::int as n from "Activity" where title like $1 || ' %' and "workspaceId" = 'o2'`,
      [mode],
    )
  ).rows[0]?.n ?? -1;

it.each(['immediate', 'fast'] as const)('F69 the broker restarted (%s) under writes: no hint is lost', async (mode) => {
  for (let n = 0; n < 50; n += 1) await run.insert(`${mode} before ${n}`);
  const restarted = broker.restart?.(mode);
  for (let n = 0; n < 50; n += 1) await run.insert(`${mode} while ${n}`);
  await restarted;
  await run.insert(`${mode} after`);
  const written = performance.now();
  await waitFor('the stream to fill its 101 rows', async () => (await filled(mode)) === 101, {
    timeoutMs: 60_000,
    describe: () => filled(mode),
  });
  console.log(
    `${mode}: the last row filled ${Math.round(performance.now() - written)} ms after the broker answered again`,
  );
  expect(application.failed).toEqual([]);
  expect((await run.events()).map((event) => event.type)).not.toContain('StreamBroken');
});
