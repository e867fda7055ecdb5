import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { print, violated } from './checker/check.js';
import { randomRun } from './random-run.js';
import { schedule } from './schedule.js';
import { createWorld } from './world.js';

const setting = (name: string, otherwise: number): number =>
  Number(process.env[`HIGHWATER_CHAOS_${name}`] ?? otherwise);
const seed = setting('SEED', Math.floor(Math.random() * 1e9));
const minutes = setting('MINUTES', 1);
const kills = setting('KILLS', 10);
const faults = setting('FAULTS', 17);

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return 'unknown';
  }
}

it(
  `${kills} kills and ${faults} other faults at random moments end enforced, and no invariant is broken`,
  { timeout: minutes * 60_000 + 900_000 },
  async () => {
    say(`chaos: seed ${seed}, commit ${commit()}, ${minutes} minutes, ${kills} kills, ${faults} other faults`);
    const world = await createWorld(seed, setting('ROWS', 20_000));
    try {
      say(`${world.postgres.how}\n${world.kafka.how}\nlogs are in ${world.folder}`);
      const run = await randomRun(world, schedule(seed, minutes, kills, faults), say);
      const { tally, probe } = run.application;
      say(`
kills ${run.kills}, other faults ${run.faults}
application: ${tally.transactions} transactions, ${tally.inserted} rows inserted, worst insert ${probe.insert.worst} ms, worst update ${probe.update.worst} ms
its errors: ${JSON.stringify(run.errors.ours)}; while PostgreSQL was away: ${JSON.stringify(run.errors.apart)}
oracle ${run.agrees ? 'agrees' : 'DISAGREES'}; left behind: ${run.leftovers.join(', ') || 'nothing'}
${print(run.verdicts).join('\n')}`);
      if (violated(run.verdicts).length > 0) say(`samples: ${JSON.stringify(tally.errorSamples)}`);
      expect(violated(run.verdicts).map(({ invariant }) => invariant)).toEqual([]);
      expect([run.agrees, run.leftovers, run.kills, run.faults]).toEqual([true, [], kills, faults]);
    } finally {
      await world.close();
    }
  },
);
