import { setTimeout as wait } from 'node:timers/promises';
import { messageOf } from '@highwater/kernel';
import type { AccessUrls } from '../demo/driver/access-roles.js';
import { Problem } from '../demo/driver/api.js';
import type { Api } from '../demo/driver/api.js';
import {
  CATCH_UP_MS_MAX,
  cutOver,
  finish,
  follow,
  publishedEvents,
  startHighwater,
  startMigration,
  sweepMsMax,
  untilPhase,
} from '../demo/driver/job.js';
import { sweepPace } from '../demo/driver/measure.js';
import { seconds } from '../demo/driver/output.js';
import { leftTopics } from '../demo/driver/topics.js';
import type { ApplicationLine } from './application/main.js';
import { differences, listedRows, tally } from './bad-rows.js';
import { badRowsNow, endState, repair, sizesOf } from './database.js';
import type { Accidents, BadRows } from './example.js';
import type { Facts } from './report.js';
import type { ExampleRun } from './run.js';

const READY_MS_MAX = 60_000;
const CONTROL_MS = 3_000;
const AFTER_ENFORCED_MS = 3_000;
/** Slow enough that the sweep of the smallest example is still under way when it is paused. */
const ROWS_PER_SECOND_AT_FIRST = 500;

/** Phase by phase, one team's migration; what was seen on the way comes back as the report's facts. */
export async function perform(run: ExampleRun, urls: AccessUrls): Promise<Facts> {
  const { stage, folder } = run;
  const seeded = tally(folder.example.seededBadRows(run.options.rows));
  const seed = differences(seeded, tally(await badRowsNow(stage.superuserUrl, folder)));
  const control = await withoutUs(run);
  const api = await startHighwater(run, urls);
  const { tables } = folder.example;
  const before = await sizesOf(stage.superuserUrl, tables);

  const accidents = await fill(run, api);
  const listed = await listing(run, api, accidents);
  await mend(run, api);
  await cutOver(run, api);
  const unenforced = await thereAndBack(run, api);
  const old = await replaceApplication(run);
  const status = await finish(run, api, run.windowSeconds);
  run.say('phase', 'finished; now the report');
  const now = await run.application?.finish();
  const published = await publishedEvents(run);
  if (!run.options.keep) await run.service?.stop();
  const end = await endState(stage.superuserUrl, folder);
  return {
    mayHaveNone: folder.example.mayHaveNone ?? [],
    ...{ seed, control, listed, unenforced, old, now, status, published, end },
    sizes: { before, after: await sizesOf(stage.superuserUrl, tables) },
    sweep: await sweepPace(stage.superuserUrl),
    left: [...(await leftTopics(stage.brokers, stage.topicPrefix)), ...status.leftovers],
  };
}

/** The old application alone: what it waits for when we are not there. */
async function withoutUs(run: ExampleRun): Promise<ApplicationLine> {
  const application = run.startApplication('old');
  await application.line('ready', READY_MS_MAX);
  run.say('phase', `the old application writes; ${seconds(CONTROL_MS)} of it without Highwater`);
  await wait(CONTROL_MS, undefined, { signal: run.signal });
  application.kill('SIGUSR2');
  return await application.line('phase', 10_000);
}

/**
 * plan → … → sweep → bridge. While the sweep is paused and the live fill goes on, the old application has its accidents: with the bridge
 * there, some of them would be its own errors instead (the unique key that the bridge completes).
 */
async function fill(run: ExampleRun, api: Api): Promise<Accidents> {
  const { migration } = run;
  const limits = async (sweepRowsPerSecondMax: number): Promise<void> =>
    follow(run, api, await api.setLimits(migration, { sweepRowsPerSecondMax }));
  const follower = await startMigration(run, api, run.plan, () => limits(ROWS_PER_SECOND_AT_FIRST));
  await run.until('the stream to open', CATCH_UP_MS_MAX, () => (follower.status?.stream === 'open' ? true : undefined));
  await untilPhase(run, ['sweeping'], CATCH_UP_MS_MAX);
  await follow(run, api, await api.act(migration, 'pause'));
  run.say('phase', 'the sweep is paused; the old application has its accidents, and the live fill meets them');
  const { application } = run;
  application?.tell('accidents');
  const line = await application?.line('accidents', 30_000);
  if (!line?.accidents) throw new Error('invariant broken: a line of accidents tells what they were');
  await limits(0);
  await follow(run, api, await api.act(migration, 'resume'));
  await untilPhase(run, ['bridged'], sweepMsMax(2 * run.options.rows));
  return line.accidents;
}

/** Nothing but these may stand in the way once the bridge is there: bad rows, and rows moved after they were filled. */
const ofTheRows = ['NullCountZero', 'NoUnfillableRows', 'Verified'];

/** Everything that cannot be filled is listed, no more and no less, and the cutover is refused for it. */
async function listing(run: ExampleRun, api: Api, accidents: Accidents): Promise<Facts['listed']> {
  const { stage, folder, migration, options } = run;
  // what the application goes on writing without a value cannot be told in advance
  const fixed = ({ table }: BadRows): boolean => !folder.example.mayHaveNone?.includes(table);
  const told = differences(
    tally([...folder.example.seededBadRows(options.rows), ...accidents.badRows].filter(fixed)),
    tally((await badRowsNow(stage.superuserUrl, folder)).filter(fixed)),
  );
  const rows = await untilListed(run, api);
  await run.until('only the rows themselves to stand in the way', CATCH_UP_MS_MAX, () => {
    const open = (run.follower?.readiness?.conditions ?? []).filter(({ status }) => status !== 'True');
    const last = open.find(({ type }) => type === 'Verified');
    const verified = accidents.moved > 0 ? last?.reason === 'Mismatches' : last === undefined;
    const nulls = open.some(({ type }) => type === 'NullCountZero');
    return verified && nulls && open.every(({ type }) => ofTheRows.includes(type)) ? true : undefined;
  });
  const { mismatches } = await api.verification(migration);
  const refusal = await refusedCutover(run, api);
  return { rows, told, moved: accidents.moved, mismatches: mismatches.length, refusal };
}

/** The product's list and the hand-written one are the same; what they agree on. */
async function untilListed(run: ExampleRun, api: Api): Promise<ReadonlyMap<string, number>> {
  let last: readonly string[] = [];
  const listed = run.until('every bad row to be listed, and nothing else', CATCH_UP_MS_MAX, async () => {
    const rows = tally(await listedRows(api, run.migration));
    last = differences(tally(await badRowsNow(run.stage.superuserUrl, run.folder)), rows);
    return last.length === 0 ? rows : undefined;
  });
  return await listed.catch((error: unknown) => {
    throw new Error(`${messageOf(error)}; ${last.join('; ')}`, { cause: error });
  });
}

/** The team's pre-check, as one answer: no statement has run, and the condition's message counts per table. */
async function refusedCutover(run: ExampleRun, api: Api): Promise<Facts['listed']['refusal']> {
  const { generation, conditions } = await api.readiness(run.migration);
  const precheck = conditions.find(({ type }) => type === 'NullCountZero')?.message ?? 'no condition NullCountZero';
  try {
    await api.cutover(run.migration, generation);
    return undefined;
  } catch (error) {
    if (error instanceof Problem && error.status === 412) return await refusedCutover(run, api);
    if (!(error instanceof Problem && error.status === 422)) throw error;
    run.say('refused', `${error.message}\n${precheck}`);
    return { answer: error.message, precheck };
  }
}

/** The team repairs by its own statements; what was listed is derived again, and everything is verified again. */
async function mend(run: ExampleRun, api: Api): Promise<void> {
  run.say('phase', 'the team repairs its rows; what was listed is derived again, and everything is verified again');
  await repair(run.stage.applicationUrl, run.folder);
  await follow(run, api, await api.act(run.migration, 'unfillable/retry'));
  await untilListed(run, api);
  await follow(run, api, await api.act(run.migration, 'verify'), sweepMsMax(2 * run.options.rows));
}

/** The emergency exit, used while the old application writes: NOT NULL goes from every table, the bridge stays, and the way back is open. */
async function thereAndBack(run: ExampleRun, api: Api): Promise<readonly string[]> {
  run.say('phase', 'emergency exit: NOT NULL is taken back while the old application writes, then enforced again');
  await follow(run, api, await api.act(run.migration, 'unenforce'), CATCH_UP_MS_MAX);
  const standing = (await endState(run.stage.superuserUrl, run.folder)).standing;
  await run.until('the phase to be bridged again', CATCH_UP_MS_MAX, () =>
    run.follower?.status?.phase === 'bridged' ? true : undefined,
  );
  await cutOver(run, api);
  return standing.filter(({ what, holds }) => holds && what.startsWith('NOT NULL on ')).map(({ what }) => what);
}

/** Legacy writers survive NOT NULL by the bridge; then their new version takes over. */
async function replaceApplication(run: ExampleRun): Promise<ApplicationLine> {
  run.say('phase', `NOT NULL stands; the old application goes on for ${seconds(AFTER_ENFORCED_MS)}, then the new one`);
  await wait(AFTER_ENFORCED_MS, undefined, { signal: run.signal });
  const old = run.application;
  if (!old) throw new Error('invariant broken: the old application runs');
  const final = await old.finish();
  const now = run.startApplication('new');
  await now.line('ready', READY_MS_MAX);
  return final;
}
