import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FaultProxy } from '../../support/fault-proxy.js';
import { enforced, oracle } from '../../support/old-application.js';
import { startProxiedRun, writing, type ProxiedRun } from '../../support/proxied-run.js';
import { usePostgres, waitFor } from '../../support/stack.js';

/*
 * Connections that are there and say nothing: a firewall forgot them, nobody is told, and new ones pass. What is under way on them must end
 * by a clock of ours. On a quiet machine each stage goes on within a minute; the limits here are those of a busy one.
 */
const cluster = usePostgres();
let here: ProxiedRun;
beforeAll(async () => {
  here = await startProxiedRun(cluster.server(), await cluster.freshDatabase(), 'silent', {
    rows: 30_000,
    plan: 'limits: { sweepRowsPerSecondMax: 3000, chunkRowsMax: 200 }\n',
  });
  await here.run.rebuilt(1);
});
afterAll(() => here.close());

const by = { actor: { name: 'test', method: 'os' as const } };
/** Asked seldom: each question takes a connection that may be one of the silent ones. */
const limit = { timeoutMs: 120_000, everyMs: 250 };
const seconds = (since: number): number => Math.round((performance.now() - since) / 1_000);
/** Forgets the connections there are, until the work has gone on without them; answers how long that took. */
async function forgotten(what: string, proxy: FaultProxy, work: () => Promise<unknown>): Promise<void> {
  const lift = proxy.timeout({ newOnesPass: true });
  const began = performance.now();
  try {
    await work();
    expect(proxy.swallowed(), `${what}: connections that lost something`).toBeGreaterThan(0);
    console.log(`${what}: ${seconds(began)} s`);
  } finally {
    lift();
  }
}
const filled = async (): Promise<number> =>
  (await here.run.prepared.admin.query(`select from "Activity" where "workspaceId" is not null`)).rowCount ?? 0;
const state = async (): Promise<unknown> => {
  const { phase, stream, reason } = await here.run.engine.control.get(here.run.id);
  return [phase, stream, reason, await here.run.count()];
};

describe.sequential('connections that a firewall forgot', () => {
  it('F77 all to Kafka: relay and filler go on over new ones, the same epoch, no hint is lost', async () => {
    const { run, kafka } = here;
    await run.pause();
    await run.streams();
    await forgotten('Kafka, until the stream fills again', kafka, async () => {
      for (let n = 0; n < 20; n += 1) await run.insert(`silent ${n}`);
      for (let n = 0; n < 20; n += 1)
        await waitFor(`row ${n} to be filled`, () => run.isFilled(`silent ${n}`), { ...limit, describe: state });
    });
    await run.streams();
    expect((await run.events()).some((event) => event.type === 'StreamBroken')).toBe(false);
  });

  it('F85 all to PostgreSQL while the stream fills, in the sweep, and in the cutover: each goes on, no lease is stuck', async () => {
    const { run, postgres, fills } = here;
    await forgotten('PostgreSQL, until the stream fills again', postgres, async () => {
      await run.insert('forgotten');
      await waitFor('it to be filled', () => run.isFilled('forgotten'), { ...limit, describe: state });
    });
    await writing(run, async () => {
      await run.resume();
      const before = await filled();
      await waitFor('the sweep to go on', async () => (await filled()) > before + 500, { ...limit, describe: state });
      await forgotten('PostgreSQL, until a sweep of 30,000 rows is over and bridged', postgres, () =>
        waitFor('the bridge', async () => (await run.engine.control.get(run.id)).phase === 'bridged', {
          timeoutMs: 180_000,
          describe: state,
        }),
      );
      const generation = await run.ready();
      await run.engine.control.cutover(run.id, { generation, lockBudgetMs: 5_000 }, by);
      await forgotten('PostgreSQL, from the request of the cutover to enforced', postgres, () =>
        waitFor('enforced', async () => (await run.engine.control.get(run.id)).phase === 'enforced', {
          ...limit,
          describe: state,
        }),
      );
    });
    expect(await run.finish()).toMatchObject({ status: 'succeeded' });
    const { admin } = run.prepared;
    expect((await admin.query<Record<string, unknown>>(oracle)).rows[0]).toEqual(enforced);
    expect(await fills()).toMatchObject({ overwritten: 0, otherColumns: 0 });
    expect((await admin.query('select from pg_replication_slots')).rowCount).toBe(0);
  });
});
