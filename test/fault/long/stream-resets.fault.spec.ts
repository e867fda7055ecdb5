import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Direction } from '../../support/fault-lane.js';
import type { FaultProxy } from '../../support/fault-proxy.js';
import { enforced, oracle } from '../../support/old-application.js';
import { startProxiedRun, writing, type ProxiedRun } from '../../support/proxied-run.js';
import { usePostgres, waitFor } from '../../support/stack.js';

/*
 * F86 through one whole run: the connection that carries the n-th message is reset, for n = 1 … 200, both ways. The sweep is paused at
 * first, so that the stream fills for as long as the resets go on; then they go on through sweep, bridge, cutover and finish.
 */
const cluster = usePostgres({ settings: { wal_sender_timeout: '5s' } });
let here: ProxiedRun;
/** What the relay has logged. */
const said: string[] = [];
beforeAll(async () => {
  here = await startProxiedRun(cluster.server(), await cluster.freshDatabase(), 'every-reset', {
    rows: 20_000,
    log: (line) => {
      if (/relay/.test(line)) said.push(line);
    },
  });
  await here.run.rebuilt(1);
  await here.run.pause();
});
afterAll(() => here.close());

const all = Array.from({ length: 200 }, (_, i) => i + 1);
/** A Kafka connection carries some ten messages a second: each n would take an hour. */
const some = [...all.slice(0, 30), ...all.slice(30).filter((n) => n % 17 === 0)];

/** One reset after the other; each waits until its message has passed. Answers how many struck. */
async function resets(proxy: FaultProxy, direction: Direction, counts: readonly number[], going = () => true) {
  let struck = 0;
  for (const n of counts) {
    if (!going()) break;
    const armed = proxy.cutAfterMessages(n, { direction });
    await waitFor(`message ${n} ${direction}`, () => armed.met() === 1 || !going(), { timeoutMs: 120_000 });
    struck += armed.met();
    armed.disarm();
  }
  return struck;
}

/**
 * Resets for as long as the work takes, the next one when the stream has got over the last: with a backlog every one would hit the relay, and
 * the others would meet none. Answers how many struck.
 */
async function amidResets(work: () => Promise<unknown>): Promise<number> {
  let going = true;
  const rounds = (async () => {
    let struck = 0;
    for (let round = 0; going; round += 1) {
      const [proxy, direction, n] = [
        [here.postgres, 'toServer', 45 + 131 * (round % 5)],
        [here.postgres, 'toClient', 13 + 331 * (round % 4)],
        [here.kafka, round % 2 === 0 ? 'toClient' : 'toServer', 1 + 7 * (round % 4)],
      ][round % 3] as [FaultProxy, Direction, number];
      struck += await resets(proxy, direction, [n], () => going);
      const before = await acknowledged();
      await waitFor('the relay to acknowledge again', async () => !going || (await acknowledged()) !== before, {
        timeoutMs: 90_000,
        everyMs: 100,
        describe: state,
      });
    }
    return struck;
  })();
  // whichever fails first ends the other
  await Promise.race([work(), rounds]).finally(() => (going = false));
  return rounds;
}
const acknowledged = async (): Promise<unknown> =>
  (
    await here.run.prepared.admin.query<{ lsn: string }>(
      'select confirmed_flush_lsn::text as lsn from pg_replication_slots',
    )
  ).rows[0]?.lsn;

/** On the application's own way to the server: who asks must not be cut off too. */
const seen = async (): Promise<{ phase: string; ready: boolean; generation: string; status: unknown }> => {
  const { rows } = await here.run.prepared.admin.query<Awaited<ReturnType<typeof seen>>>(
    `select phase, status -> 'reason' as status, (readiness -> 'ready')::boolean as ready, readiness ->> 'generation' as generation,
            jsonb_path_query_array(readiness, '$.conditions[*] ? (@.status != "True").reason') as unmet
       from highwater.migration where id = $1`,
    [here.run.id],
  );
  return rows[0] ?? { phase: 'unknown', ready: false, generation: '', status: null };
};
const state = async (): Promise<unknown> => [await seen(), said.slice(-8)];
const until = (phase: string): Promise<unknown> =>
  waitFor(`phase ${phase}`, async () => (await seen()).phase === phase, {
    timeoutMs: 240_000,
    everyMs: 200,
    describe: state,
  });

describe.sequential('F86 connections are reset at the n-th message', () => {
  it('for n = 1 … 200 while the stream fills: the same epoch, no application error, nothing overwritten', async () => {
    const { run, postgres, kafka, fills } = here;
    await writing(run, async () => {
      const struck = await Promise.all([
        resets(postgres, 'toServer', all),
        resets(postgres, 'toClient', all),
        resets(kafka, 'toServer', some),
        resets(kafka, 'toClient', some),
      ]);
      expect(struck).toEqual([200, 200, some.length, some.length]);
      await run.streams();
    });
    await waitFor(
      'the stream to fill every row that came meanwhile',
      async () =>
        (
          await run.prepared.admin.query(
            `select from "Activity" where title = 'live' and "workspaceId" is null limit 1`,
          )
        ).rowCount === 0,
      { timeoutMs: 60_000, describe: () => run.count() },
    );
    expect(await fills()).toMatchObject({ overwritten: 0, otherColumns: 0 });
    expect((await run.events()).some((event) => event.type === 'StreamBroken')).toBe(false);
  });

  it('through sweep, bridge, cutover and finish: enforced once, nothing left, no application error', async () => {
    const { run, fills } = here;
    let struck = 0;
    await writing(run, async () => {
      await run.resume();
      struck = await amidResets(async () => {
        await until('bridged');
        await waitFor('readiness', async () => (await seen()).ready, {
          timeoutMs: 240_000,
          everyMs: 200,
          describe: state,
        });
        const { generation } = await seen();
        // the answer to a request may be lost: asked again, it finds the attempt under way or over
        await waitFor('the cutover to be asked for', async () => {
          return (await seen()).phase !== 'bridged' || (await run.cutover(generation), true);
        });
        await until('enforced');
      });
    });
    expect(await run.finish()).toMatchObject({ status: 'succeeded' });
    const { admin } = run.prepared;
    expect((await admin.query<Record<string, unknown>>(oracle)).rows[0]).toEqual(enforced);
    expect(await fills()).toMatchObject({ overwritten: 0, otherColumns: 0 });
    const types = (await run.events()).map((event) => event.type);
    expect(types.filter((type) => type === 'Enforced')).toHaveLength(2);
    expect(types).not.toContain('StreamBroken');
    expect((await admin.query('select from pg_replication_slots')).rowCount).toBe(0);
    console.log(`${struck} resets from the resumed sweep to enforced`);
  });
});
