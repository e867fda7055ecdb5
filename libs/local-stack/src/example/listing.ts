import { messageOf } from '@highwater/kernel';
import { Problem } from '../demo/driver/api.js';
import type { Api } from '../demo/driver/api.js';
import { follow } from '../demo/driver/job.js';
import { countsEach, differences, listedRows, tally } from './bad-rows.js';
import { badRowsNow, repair } from './database.js';
import type { Accidents, BadRows } from './example.js';
import type { Facts } from './report.js';
import type { ExampleRun } from './run.js';

/** Nothing but these may stand in the way once the bridge is there: bad rows, and rows moved after they were filled. */
const ofTheRows = ['NullCountZero', 'NoUnfillableRows', 'Verified'];

/** Everything that cannot be filled is listed, no more and no less, and the cutover is refused for it. */
export async function listing(run: ExampleRun, api: Api, accidents: Omit<Accidents, 'move'>): Promise<Facts['listed']> {
  const { stage, folder, migration, options } = run;
  // what the application goes on writing without a value cannot be told in advance
  const fixed = ({ table }: BadRows): boolean => !folder.example.mayHaveNone?.includes(table);
  const told = differences(
    tally([...folder.example.seededBadRows(options.rows), ...accidents.badRows].filter(fixed)),
    tally((await badRowsNow(stage.superuserUrl, folder)).filter(fixed)),
  );
  const rows = await untilListed(run, api);
  await run.until('only the rows themselves to stand in the way', run.catchUpMs, () => {
    const open = (run.follower?.readiness?.conditions ?? []).filter(({ status }) => status !== 'True');
    const last = open.find(({ type }) => type === 'Verified');
    const verified = accidents.moved > 0 ? last?.reason === 'Mismatches' : last === undefined;
    const nulls = open.some(({ type }) => type === 'NullCountZero');
    return verified && nulls && open.every(({ type }) => ofTheRows.includes(type)) ? true : undefined;
  });
  const { mismatches } = await api.verification(migration);
  const refusal = await refusedCutover(run, api, rows);
  return { rows, told, moved: accidents.moved, mismatches: mismatches.length, refusal };
}

/** The product's list and the hand-written one are the same; what they agree on. */
async function untilListed(run: ExampleRun, api: Api): Promise<ReadonlyMap<string, number>> {
  let last: readonly string[] = [];
  const listed = run.until(
    'every bad row to be listed, and nothing else',
    run.catchUpMs,
    async () => {
      const rows = tally(await listedRows(api, run.migration));
      last = differences(tally(await badRowsNow(run.stage.superuserUrl, run.folder)), rows);
      return last.length === 0 ? rows : undefined;
    },
    run.countEveryMs,
  );
  return await listed.catch((error: unknown) => {
    throw new Error(`${messageOf(error)}; ${last.join('; ')}`, { cause: error });
  });
}

/** The team's pre-check, as one answer: no statement has run, and the condition's message counts per table. */
async function refusedCutover(
  run: ExampleRun,
  api: Api,
  rows: ReadonlyMap<string, number>,
): Promise<Facts['listed']['refusal']> {
  const { tables, mayHaveNone = [] } = run.folder.example;
  const counted = tables.filter((table) => !mayHaveNone.includes(table));
  // what was evaluated a moment before the last row was listed counts one too few
  const { generation, precheck } = await run.until('the pre-check to count what is listed', run.catchUpMs, async () => {
    const readiness = await api.readiness(run.migration);
    const message = readiness.conditions.find(({ type }) => type === 'NullCountZero')?.message ?? '';
    return countsEach(message, rows, counted) ? { generation: readiness.generation, precheck: message } : undefined;
  });
  try {
    await api.cutover(run.migration, generation);
    return undefined;
  } catch (error) {
    if (error instanceof Problem && error.status === 412) return await refusedCutover(run, api, rows);
    if (!(error instanceof Problem && error.status === 422)) throw error;
    run.say('refused', `${error.message}\n${precheck}`);
    return { answer: error.message, precheck };
  }
}

/** The team repairs by its own statements; what was listed is derived again, and everything is verified again. */
export async function mend(run: ExampleRun, api: Api): Promise<void> {
  run.say('phase', 'the team repairs its rows; what was listed is derived again, and everything is verified again');
  await repair(run.stage.applicationUrl, run.folder);
  await follow(run, api, await api.act(run.migration, 'unfillable/retry'), run.catchUpMs);
  await untilListed(run, api);
  await follow(run, api, await api.act(run.migration, 'verify'), run.catchUpMs);
}
