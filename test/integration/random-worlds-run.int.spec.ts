import { afterAll, describe, expect, it } from 'vitest';
import { worldSql } from '../support/rules/database.js';
import { functionNames, functionsSql } from '../support/rules/oracle.js';
import { differences, notEnforced, runningWorlds, type RunningWorld } from '../support/rules/running-world.js';
import { serviceRun, type ServedMigration, type ServiceRun } from '../support/service-run.js';
import { usePostgres, waitFor } from '../support/stack.js';

const count = Number(process.env['WORLDS'] ?? 10);
const firstSeed = Number(process.env['SEED'] ?? 20_261_100);
/** So many migrations at once; more would only wait for the processor. */
const besideMax = Number(process.env['BESIDE'] ?? 4);
/** They share one process and two processors with whatever else is being tested. */
const patienceMs = 180_000;
const worlds = runningWorlds(firstSeed, count);
const streamed = worlds.filter((one) => one.streamed);

const cluster = usePostgres();
let run: ServiceRun | undefined;
afterAll(() => run?.close());

/** One connection of the application, which writes to the worlds that are under way in turns. */
async function startWriting(served: ServiceRun) {
  const old = await served.client('old');
  const open = new Set<RunningWorld>();
  let [on, statements] = [true, 0];
  let underWay: Promise<void> = Promise.resolve();
  const write = async (one: RunningWorld): Promise<void> => {
    const statement = one.write();
    statements += 1;
    // a copied row may point nowhere, as the seed's do: the application's own error, with or without us
    await old.query(statement).catch((error: { code?: string }) => {
      if (error.code !== '23503') throw new Error(`${one.told}\n${statement}`, { cause: error });
    });
  };
  const ended = (async () => {
    while (on) {
      for (const one of open) await (underWay = write(one));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  ended.catch(() => undefined); // told by `stop`
  return {
    enter: (one: RunningWorld) => void open.add(one),
    /** Nothing is written to it any more, the statement under way included. */
    async leave(one: RunningWorld): Promise<void> {
      open.delete(one);
      await underWay.catch(() => undefined); // told by `stop`
    },
    async stop(): Promise<number> {
      on = false;
      await ended;
      return statements;
    },
  };
}

/** Takes from the list until it is empty, `besideMax` at once. */
async function besideEachOther<T>(list: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const left = [...list];
  const lane = async (): Promise<void> => {
    for (let one = left.shift(); one !== undefined; one = left.shift()) await work(one);
  };
  await Promise.all(Array.from({ length: besideMax }, lane));
}

describe('random worlds through a service of its own', () => {
  it(
    `end as a walk over their rows says, ${count} migrations while an application writes`,
    { timeout: 240_000 + count * 20_000 },
    async () => {
      const [first] = worlds;
      if (first === undefined) throw new Error('no world');
      if (count >= 10) expect(streamed.length).toBeGreaterThanOrEqual(count / 2);
      const served = await serviceRun(await cluster.freshDatabase('worlds'), first.plan, {
        schema: `${functionsSql}; ${worlds.map(({ world }) => worldSql(world)).join('; ')}`,
        seed: '',
        kafka: streamed.length > 0,
        patienceMs,
        allowedFunctions: functionNames,
      });
      run = served;
      await served.start();
      const writer = await startWriting(served);
      let filledLive = 0;
      // one after another: grants to one role at once fail in the server
      let turn: Promise<unknown> = Promise.resolve();
      const another = (plan: string): Promise<ServedMigration> => {
        const mine = turn.then(() => served.another(plan));
        turn = mine;
        return mine;
      };

      await besideEachOther(worlds, async (one) => {
        const { told } = one;
        writer.enter(one);
        const [followed, eye] = [await another(one.plan), await served.client('oracle')];
        await followed.until('bridged');
        const settled = (): Promise<unknown> =>
          waitFor(
            'every row to hold its value, or to be listed under its reason',
            async () => (await differences(eye, one)).length === 0,
            {
              timeoutMs: patienceMs,
              everyMs: 200,
              describe: async () => `${told}\n${JSON.stringify(await differences(eye, one))}`,
            },
          );
        // what is listed is looked at by tail passes, and they end with the cutover
        if (!one.enforced) {
          await writer.leave(one);
          await settled();
        }
        const cutover = await served.settled(await followed.cutover());
        expect(cutover, told).toMatchObject({ status: 'succeeded' });
        await writer.leave(one);
        const { tables } = await waitFor('the status', async () => {
          const answer = await served.call(`/migrations/${one.migration}`);
          return answer?.status === 200 && (answer.body as { tables: { filled: { live: number } }[] });
        });
        filledLive += tables.reduce((sum, { filled }) => sum + filled.live, 0);
        await settled();
        if (one.enforced) expect(await notEnforced(eye, one), told).toEqual([]);
        const { body } = await served.asked(`/migrations/${one.migration}/finish`, { bridgeUnused: true });
        const finish = await served.settled(String(body['id']));
        expect(finish, told).toMatchObject({ status: 'succeeded', result: { leftovers: [] } });
        expect(await differences(eye, one), told).toEqual([]);
      });
      expect(await writer.stop()).toBeGreaterThan(10 * count);
      if (streamed.length > 0) expect(filledLive).toBeGreaterThan(0);
    },
  );
});
