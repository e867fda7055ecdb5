import { writeFileSync } from 'node:fs';
import { createAccessRoles } from '../demo/driver/access-roles.js';
import { grouped } from '../demo/driver/output.js';
import { rehearse } from '../demo/driver/rehearse.js';
import { openExample } from './folder.js';
import { BadUsage } from './options.js';
import type { ExampleOptions } from './options.js';
import { reportPage } from './page.js';
import { perform } from './phases.js';
import { report } from './report.js';
import { ExampleRun, streams } from './run.js';
import { seedExample } from './seed.js';

/** What a command line asks for, done; answers the exit code. */
export async function answer(parse: () => ExampleOptions | 'help', usage: string): Promise<number> {
  try {
    const options = parse();
    if (options !== 'help') return await migrate(options);
    process.stdout.write(usage);
    return 0;
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error;
    process.stderr.write(`${error.message}\n\n${usage}`);
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
