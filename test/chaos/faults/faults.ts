import type { FaultName } from '../schedule.js';
import type { World } from '../world.js';
import { forgeHints, repeatHints } from './hint-faults.js';
import { stopAndResume } from './operator-faults.js';
import { longTransaction, massDelete, terminateSessions } from './row-faults.js';
import { advanceSlot, deleteTopic, dropPublication, dropSlot, recreatePublication } from './stream-faults.js';

/** Does it and answers, in a few words, what it came to. */
export type Fault = (world: World, random: () => number) => Promise<string>;

/** Waits end a while after the cause: what was queued runs first. */
const afterwardsMs = 2_000;

async function disturbing(world: World, work: () => Promise<string>): Promise<string> {
  const from = Date.now();
  try {
    return await work();
  } finally {
    world.recording.disturbed(from, Date.now() + afterwardsMs);
  }
}

const restartPostgres =
  (mode: 'fast' | 'immediate'): Fault =>
  (world) =>
    disturbing(world, async () => {
      const outage = { from: Date.now(), to: Infinity };
      world.outages.push(outage);
      await world.postgres.restart?.(mode);
      outage.to = Date.now() + afterwardsMs;
      return `away for ${outage.to - afterwardsMs - outage.from} ms`;
    });

const restartKafka =
  (mode: 'fast' | 'immediate'): Fault =>
  async (world) => {
    const from = Date.now();
    await world.kafka.restart?.(mode);
    return `away for ${Date.now() - from} ms`;
  };

export const faults: Readonly<Record<FaultName, Fault>> = {
  freeze: (world, random) =>
    disturbing(world, async () => {
      const ms = Math.round(500 + random() * 4_000);
      await world.services.freeze(Math.floor(random() * world.services.places), ms);
      return `${ms} ms`;
    }),
  'terminate sessions': terminateSessions,
  'restart PostgreSQL fast': restartPostgres('fast'),
  'restart PostgreSQL immediate': restartPostgres('immediate'),
  'restart Kafka fast': restartKafka('fast'),
  'kill Kafka': restartKafka('immediate'),
  'drop slot': dropSlot,
  'advance slot': advanceSlot,
  'drop publication': dropPublication,
  're-create publication': recreatePublication,
  'delete topic': deleteTopic,
  'pause and resume': (world, random) => stopAndResume(world, 'pause', random),
  'halt and resume': (world, random) => stopAndResume(world, 'halt', random),
  'repeat hints': repeatHints,
  'forge hints': forgeHints,
  'long transaction': longTransaction,
  'mass delete': massDelete,
};
