// `npm run example <name>`: one team's migration, from their "before" to its enforced end, on real servers.
//
//   stage ─▶ old application ─▶ plan … bridged ─▶ bad rows listed ─▶ repaired ─▶ cutover ─▶ new application ─▶ finish ─▶ report
//
// Ctrl-C and failures clean up; whatever is started below is stopped by `cleanup`, and by its guard should we be killed.
import { writeFileSync } from 'node:fs';
import { createAccessRoles } from '../demo/driver/access-roles.js';
import { BadUsage } from '../demo/driver/options.js';
import { grouped } from '../demo/driver/output.js';
import { rehearse } from '../demo/driver/rehearse.js';
import { exampleNames, openExample } from './folder.js';
import { parseOptions, usage } from './options.js';
import type { ExampleOptions } from './options.js';
import { reportPage } from './page.js';
import { perform } from './phases.js';
import { report } from './report.js';
import { ExampleRun, streams } from './run.js';
import { seedExample } from './seed.js';

process.exitCode = await main();

async function main(): Promise<number> {
  const names = exampleNames();
  try {
    const options = parseOptions(process.argv.slice(2), names);
    if (options !== 'help') return await migrate(options);
    process.stdout.write(usage(names));
    return 0;
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error;
    process.stderr.write(`${error.message}\n\n${usage(names)}`);
    return 64;
  }
}

async function migrate(options: ExampleOptions): Promise<number> {
  const folder = await openExample(options.name);
  return await rehearse({
    keep: options.keep,
    scenery: {
      name: options.name,
      database: 'highwater_example',
      kafka: streams(folder, options),
      seed: async (superuserUrl, accounts) => {
        await seedExample(superuserUrl, folder, options, accounts);
        return `${options.name} at ${grouped(options.rows)} rows`;
      },
    },
    perform: async ({ stage, say, signal, cleanup }) => {
      const run = new ExampleRun(options, folder, stage, say, signal, cleanup);
      const { urls } = await createAccessRoles(stage, run.plan);
      const started = Date.now();
      const facts = await perform(run, urls);
      const lines = report(facts);
      if (options.report !== undefined) {
        const page = reportPage(facts, {
          ...options,
          seconds: (Date.now() - started) / 1_000,
          right: !lines.some(({ wrong }) => wrong),
        });
        writeFileSync(options.report, page);
        say('report', `as a page in ${options.report}`);
      }
      return { lines, service: run.service?.url };
    },
  });
}
