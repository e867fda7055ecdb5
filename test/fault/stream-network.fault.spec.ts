import { afterEach, describe, expect, it } from 'vitest';
import type { Settings } from '@highwater/roles';
import { streamPlan } from '../support/engine-run.js';
import type { FaultProxy } from '../support/fault-proxy.js';
import { proxied, watchFills, type Links } from '../support/proxied-run.js';
import { usePostgres, waitFor } from '../support/stack.js';
import { startStreamRun, type StreamRun } from '../support/stream-run.js';

/*
 * The network between us and the servers fails at every kind of moment. The application has its own way to the server and writes on.
 */
const cluster = usePostgres({ settings: { wal_sender_timeout: '5s' } });
let run: StreamRun | undefined;
let links: Links | undefined;
afterEach(async () => {
  await run?.close();
  await links?.close();
  run = links = undefined;
});

const seed = (rows: number): string => `
insert into "Organization" select 'o' || g, 'org' from generate_series(1, 3) g;
insert into "Workspace" select id, name from "Organization";
insert into "Group" (id, "orgId", name) select 'g' || g, 'o' || (g % 3 + 1), 'group' from generate_series(1, 9) g;
insert into "Activity" ("groupId", title) select 'g' || (g % 9 + 1), 'activity' from generate_series(1, ${rows}) g`;

const isCommit = (message: Buffer): boolean =>
  [0x51, 0x50].includes(message[0] ?? 0) && /(^|[\s;\0])commit[\s;\0]/i.test(message.toString('latin1', 5));

async function start(
  name: string,
): Promise<{ run: StreamRun; postgres: FaultProxy; kafka: FaultProxy; fills: Awaited<ReturnType<typeof watchFills>> }> {
  const way = (links = await proxied(cluster.server().port));
  let watch: Awaited<ReturnType<typeof watchFills>> | undefined;
  const started = (run = await startStreamRun(await cluster.freshDatabase(), name, {
    plan: `${streamPlan(name)}accept: [TriggerOnUpdate]\n`,
    seed: seed(3_000),
    change: (settings: Settings) => way.through(settings),
    beside: async ({ admin }) => {
      watch = await watchFills(admin);
    },
  }));
  if (!watch) throw new Error('nobody watches the fills');
  await started.rebuilt(1); // a preflight is asked for by somebody who asks again
  return { run: started, postgres: way.postgres, kafka: way.kafka(), fills: watch };
}

/** Rows that nobody but us fills, until the work is over. */
async function writing(of: StreamRun, work: () => Promise<void>): Promise<void> {
  const client = await of.client('old-app');
  let going = true;
  const failed: unknown[] = [];
  const writer = (async () => {
    for (let n = 0; going; n += 1) {
      await client
        .query(`insert into "Activity" ("groupId", title) values ('g' || ($1::int % 9 + 1), 'live')`, [n])
        .catch((error: unknown) => failed.push(error));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await work().finally(async () => {
    going = false;
    await writer;
  });
  expect(failed).toEqual([]);
}

describe('the network', () => {
  it('F87 commits are carried out and their answers lost, eight times: every row is filled once, and counted once', async () => {
    const { run: now, postgres, fills } = await start('lost-answers');
    let lost = 0;
    await writing(now, async () => {
      while (lost < 8) {
        const armed = postgres.loseAnswerTo(isCommit);
        await waitFor('a commit to be answered to nobody', () => armed.met() === 1);
        lost += armed.met();
      }
      await now.until('bridged');
    });
    await now.settled();
    const counted = async (): Promise<number> => {
      const table = (await now.engine.control.get(now.id)).tables.find((one) => one.table.endsWith('Activity'));
      return Object.values(table?.filled ?? {}).reduce((sum, count) => sum + count, 0);
    };
    await waitFor('as many rows counted as were written', async () => (await counted()) === (await fills()).fills, {
      describe: async () => [await counted(), await fills()],
    });
    expect(await fills()).toMatchObject({ overwritten: 0, otherColumns: 0 });
    expect((await now.events()).some((event) => event.type === 'StreamBroken')).toBe(false);
  });

  it('F86 connections are reset at the n-th message, to PostgreSQL and to Kafka, in both directions', async () => {
    const { run: now, postgres, kafka, fills } = await start('resets');
    await writing(now, async () => {
      for (const n of [1, 2, 3, 7, 19, 47])
        for (const [proxy, direction] of [
          [postgres, 'toServer'],
          [postgres, 'toClient'],
          [kafka, n % 2 === 0 ? 'toServer' : 'toClient'],
        ] as const) {
          const armed = proxy.cutAfterMessages(n, { direction });
          await waitFor(`message ${n}`, () => armed.met() === 1, { timeoutMs: 40_000 });
        }
      await now.until('bridged');
    });
    await now.settled();
    await now.streams();
    expect(await fills()).toMatchObject({ overwritten: 0, otherColumns: 0 });
    expect((await now.events()).some((event) => event.type === 'StreamBroken')).toBe(false);
  });
});
