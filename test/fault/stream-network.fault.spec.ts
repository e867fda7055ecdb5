import { afterEach, describe, expect, it } from 'vitest';
import { startProxiedRun, writing, type ProxiedRun } from '../support/proxied-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

/*
 * The network between us and the servers fails at every kind of moment. The application has its own way to the server and writes on.
 */
const cluster = usePostgres({ settings: { wal_sender_timeout: '5s' } });
let started: ProxiedRun | undefined;
afterEach(async () => {
  await started?.close();
  started = undefined;
});

const isCommit = (message: Buffer): boolean =>
  [0x51, 0x50].includes(message[0] ?? 0) && /(^|[\s;\0])commit[\s;\0]/i.test(message.toString('latin1', 5));

async function start(name: string): Promise<ProxiedRun> {
  const here = (started = await startProxiedRun(cluster.server(), await cluster.freshDatabase(), name));
  await here.run.rebuilt(1); // a preflight is asked for by somebody who asks again
  return here;
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
          await waitFor(`message ${n}`, () => armed.met() === 1);
        }
      await now.until('bridged');
    });
    await now.settled();
    await now.streams();
    expect(await fills()).toMatchObject({ overwritten: 0, otherColumns: 0 });
    expect((await now.events()).some((event) => event.type === 'StreamBroken')).toBe(false);
  });
});
