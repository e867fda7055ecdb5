// `npm run demo`: the main job on a real PostgreSQL and a real Kafka, with an old application writing all the while.
//
//   stage ─▶ control phase ─▶ service: plan … ready ─▶ cutover ─▶ new application ─▶ finish ─▶ report ─▶ exit 0 or 1
//
// Ctrl-C and failures clean up; whatever is started below is stopped by `cleanup`, and by its guard should we be killed.
import { createAccessRoles } from './driver/access-roles.js';
import { BadUsage, parseOptions, usage } from './driver/options.js';
import type { DemoOptions } from './driver/options.js';
import { grouped } from './driver/output.js';
import { perform } from './driver/phases.js';
import { planSource } from './driver/plan.js';
import { rehearse } from './driver/rehearse.js';
import { report } from './driver/report.js';
import { Run } from './driver/run.js';
import { seedDatabase } from './seed.js';

process.exitCode = await main();

async function main(): Promise<number> {
  try {
    const options = parseOptions(process.argv.slice(2));
    if (options !== 'help') return await demo(options);
    process.stdout.write(usage);
    return 0;
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}`);
    return 64;
  }
}

function demo(options: DemoOptions): Promise<number> {
  const { rows, seed, keep } = options;
  return rehearse({
    keep,
    scenery: {
      name: 'demo',
      database: 'highwater_demo',
      kafka: true,
      seed: async (superuserUrl, accounts) => {
        await seedDatabase(superuserUrl, { rows, seed, ...accounts });
        return `${grouped(rows)} activities and as many responses`;
      },
    },
    perform: async ({ stage, say, signal, cleanup }) => {
      const run = new Run(options, stage, say, signal, cleanup);
      const { urls, grants } = await createAccessRoles(stage, planSource(run.windowSeconds));
      say(
        'setting',
        `five database roles made from the ${grants.split('\n').filter((text) => text.endsWith(';')).length} statements of highwater init --print-grants`,
      );
      return { lines: report(await perform(run, urls)), service: run.service?.url };
    },
  });
}
