import { describe, expect, it } from 'vitest';
import { cutoverOnceReady, groupsSchema, highwater, sql, usePlanFiles } from '../support/cli.js';
import { useService } from '../support/service.js';
import { usePostgres } from '../support/stack.js';

const { freshDatabase } = usePostgres();
const planFile = usePlanFiles();
const service = useService(async () => {
  const url = await freshDatabase('obstacles');
  await sql(url, groupsSchema);
  return url;
}, ['control', 'sweeper']);

/** What somebody types at 3 am in a state that does not have it: one error with a code, what is in the way, and the next command. */
async function refused(exit: number, expected: RegExp, ...args: string[]): Promise<void> {
  const { code, out, err } = await highwater({ HIGHWATER_HTTP: service.url() }, ...args);
  const what = `highwater ${args.join(' ')}\n${out}${err}`;
  expect({ code, out }, what).toEqual({ code: exit, out: '' });
  expect(err.match(/^error\[HW\d{4}\]/gm), what).toHaveLength(1);
  expect(err, what).toMatch(expected);
  expect(err, what).toMatch(/^ {3}help: /m);
  expect(err, what).not.toMatch(/^\s+at /m);
}
const done = async (...args: string[]): Promise<string> => {
  const { code, out, err } = await highwater({ HIGHWATER_HTTP: service.url() }, ...args);
  expect(code, `highwater ${args.join(' ')}\n${out}${err}`).toBe(0);
  return out;
};
const why = ['--reason', 'x'] as const;

describe('an operator who asks for what cannot be', { timeout: 600_000 }, () => {
  it('is told what is in the way and what to type instead, from the first command to the last', async () => {
    // nothing is there
    for (const verb of ['pause', 'readiness', 'finish', 'watch'])
      await refused(64, /no migration is live\n {3}help: highwater start plan\.yaml/, verb);
    for (const args of [['status'], ['pause'], ['set'], ['verify'], ['events'], ['forecast'], ['readiness']]) {
      const [verb = '', ...more] = args;
      const limits = verb === 'set' ? ['rowBudget=100ms'] : more;
      await refused(64, /migration "nope" does not exist\n {3}help: `highwater status`/, verb, 'nope', ...limits);
    }
    await refused(64, /cannot be read \(ENOENT\)/, 'start', '/nowhere/plan.yaml');

    // too early
    const file = planFile('night');
    await done('start', file);
    await done('start', file); // once more changes nothing
    await refused(
      7,
      /exists with another plan/,
      'start',
      planFile('night', (text) => text.replace('window: 1s', 'window: 2s')),
    );
    await refused(7, /nothing is enforced; to stop: highwater pause night/, 'unenforce', 'night', ...why, '--yes');
    await refused(7, /finish follows the cutover: highwater readiness night/, 'finish', 'night');
    await done('wait', 'night', '--for=condition=Ready', '--timeout=180s');
    await refused(
      7,
      /read it again \(highwater readiness night\)/,
      'cutover',
      'night',
      ...why,
      '--yes',
      '--generation',
      '1',
    );
    await refused(64, /not confirmed/, 'cutover', 'night', ...why);
    await done('pause', 'night');
    await refused(7, /help: highwater resume night/, 'cutover', 'night', ...why, '--yes');
    await done('resume', 'night');
    const database = { HIGHWATER_DATABASE_URL: service.databaseUrl() };
    const early = await highwater(database, 'finish', '--purge', '--yes');
    expect(early).toMatchObject({ code: 7, out: '' });
    expect(early.err).toMatch(/HW2003.*not finished: night\n {3}help: highwater finish night/);

    // too late
    expect(await cutoverOnceReady({ HIGHWATER_HTTP: service.url() }, 'night')).toMatchObject({ code: 0 });
    await refused(7, /enforced already\n {3}help: highwater finish night/, 'cutover', 'night', ...why, '--yes');
    await refused(7, /help: highwater finish night/, 'hold', 'night', ...why);
    await refused(7, /without a stream nobody reports/, 'finish', 'night');
    await done('finish', 'night', '--bridge-unused');
    await done('finish', 'night', '--bridge-unused'); // it is so already
    for (const args of [
      ['start'],
      ['pause'],
      ['resume'],
      ['halt', ...why],
      ['hold', ...why],
      ['set', 'rowBudget=100ms'],
      ['verify'],
      ['unfillable', '--retry'],
      ['cutover', ...why, '--yes', '--generation', '1'],
      ['unenforce', ...why, '--yes'],
    ]) {
      const [verb = '', ...more] = args;
      await refused(
        7,
        /in phase "finished"\n {3}help: it is over; highwater rollback night --dry-run/,
        verb,
        'night',
        ...more,
      );
    }
    expect(await done('status', 'night')).toMatch(
      /^night: finished 100\.0% .*; done: Finished nothing of ours is left/,
    );
    // the service lives on under the very instance name that this process has: it is told by its sessions
    const atWork = await highwater(database, 'finish', '--purge', '--yes');
    expect(atWork.err).toMatch(
      /HW2003.*at work: "highwater\/[^/"]+\/\w+" \(pid \d+, user \w+\).*\n {3}help: stop the service first/,
    );
    expect(atWork.code).toBe(7);
  });
});
