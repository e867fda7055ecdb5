import { setTimeout as wait } from 'node:timers/promises';
import type { AccessUrls } from '../demo/driver/access-roles.js';
import type { Api } from '../demo/driver/api.js';
import {
  cutOver,
  finish,
  follow,
  publishedEvents,
  startHighwater,
  startMigration,
  untilPhase,
} from '../demo/driver/job.js';
import { sweepPace } from '../demo/driver/measure.js';
import { seconds } from '../demo/driver/output.js';
import { leftTopics } from '../demo/driver/topics.js';
import type { ApplicationLine } from './application/main.js';
import { differences, tally } from './bad-rows.js';
import { badRowsNow, endState, serverVersion, sizesOf } from './database.js';
import type { Accidents } from './example.js';
import { exportAndApply } from './export.js';
import { listing, mend } from './listing.js';
import type { Facts } from './report.js';
import { rollBack, takeGround } from './rollback.js';
import { restrict } from './row-security.js';
import type { ExampleRun } from './run.js';

const READY_MS_MAX = 60_000;
const CONTROL_MS = 3_000;
const AFTER_ENFORCED_MS = 3_000;
/** Slow enough that the sweep of the smallest example is still under way when it is paused, on a busy machine too. */
const ROWS_PER_SECOND_AT_FIRST = 100;

/** Phase by phase, one team's migration; what was seen on the way comes back as the report's facts. */
export async function perform(run: ExampleRun, urls: AccessUrls): Promise<Facts> {
  const { stage, folder } = run;
  const ground = await takeGround(run);
  const seeded = tally(folder.example.seededBadRows(run.options.rows));
  const seed = differences(seeded, tally(await badRowsNow(stage.superuserUrl, folder)));
  const control = await withoutUs(run);
  const api = await startHighwater(run, urls, run.settings);
  const { tables } = folder.example;
  const before = await sizesOf(stage.superuserUrl, tables);

  const accidents = await fill(run, api);
  const listed = await listing(run, api, accidents);
  const forecast = await api.forecast(run.migration);
  await mend(run, api);
  const next = await cutOver(run, api);
  const unenforced = await thereAndBack(run, api);
  // what the verification found that let the cutover through, which counts again by itself what was on its way
  const asserted = (await api.verification(run.migration)).last?.assertions ?? [];
  const old = await replaceApplication(run);
  const restricted = await restrict(run, api);
  const status = await finish(run, api, run.windowSeconds);
  run.say('phase', 'finished; now the report');
  const now = await run.application?.finish();
  run.application = undefined; // it has ended, on purpose
  const published = run.streaming ? await publishedEvents(run) : undefined;
  const end = await endState(stage.superuserUrl, folder);
  const sizes = { before, after: await sizesOf(stage.superuserUrl, tables) };
  const sweep = await sweepPace(stage.superuserUrl);
  const left = [...(run.streaming ? await leftTopics(stage.brokers, stage.topicPrefix) : []), ...status.leftovers];
  const exported = await exportAndApply(run, urls);
  const rollback = await rollBack(run, api, ground);
  if (!run.options.keep) await run.service?.stop();
  return {
    streaming: run.streaming,
    serverVersion: await serverVersion(stage.superuserUrl),
    tables,
    mayHaveNone: folder.example.mayHaveNone ?? [],
    seed,
    control,
    listed,
    forecast,
    unenforced,
    asserted,
    restricted,
    old,
    now,
    status,
    published,
    end,
    sizes,
    sweep,
    left,
    exported,
    rollback,
    next,
  };
}

/** The old application alone: what it waits for when we are not there. */
async function withoutUs(run: ExampleRun): Promise<ApplicationLine> {
  const application = run.startApplication('old');
  await application.line('ready', READY_MS_MAX);
  run.say('phase', `the old application writes; ${seconds(CONTROL_MS)} of it without Highwater`);
  await wait(CONTROL_MS, undefined, { signal: run.signal });
  application.kill('SIGUSR2');
  return await application.line('phase', READY_MS_MAX);
}

/**
 * plan → … → sweep → bridge. While the sweep is paused, the old application has its accidents: with the bridge there, some of them would
 * be its own errors instead (the unique key that the bridge completes). Rows move once they are filled: by the live fill, or by nobody
 * before the sweep goes on; then what was verified meanwhile may not know of it.
 */
async function fill(run: ExampleRun, api: Api): Promise<Omit<Accidents, 'move'>> {
  const { migration, application } = run;
  if (!application) throw new Error('invariant broken: the old application runs');
  const limits = async (sweepRowsPerSecondMax: number) =>
    follow(run, api, await api.setLimits(migration, { sweepRowsPerSecondMax }));
  const follower = await startMigration(run, api, run.plan, () => limits(ROWS_PER_SECOND_AT_FIRST));
  if (run.streaming)
    await run.until('the stream to open', run.catchUpMs, () => (follower.status?.stream === 'open' ? true : undefined));
  await untilPhase(run, ['sweeping'], run.catchUpMs);
  await follow(run, api, await api.act(migration, 'pause'));
  run.say(
    'phase',
    `the sweep is paused; the old application has its accidents${run.streaming ? ', and the live fill meets them' : ''}`,
  );
  application.tell('accidents');
  const { accidents } = await application.line('accidents', READY_MS_MAX);
  if (!accidents) throw new Error('invariant broken: a line of accidents tells what they were');
  if (run.streaming) await application.line('moved', READY_MS_MAX);
  await limits(0);
  await follow(run, api, await api.act(migration, 'resume'));
  await application.line('moved', run.catchUpMs);
  await untilPhase(run, ['bridged'], run.catchUpMs);
  if (!run.streaming) await follow(run, api, await api.act(migration, 'verify'), run.catchUpMs);
  return accidents;
}

/** The emergency exit, used while the old application writes: NOT NULL goes from every table, the bridge stays, and the way back is open. */
async function thereAndBack(run: ExampleRun, api: Api): Promise<readonly string[]> {
  run.say('phase', 'emergency exit: NOT NULL is taken back while the old application writes, then enforced again');
  await follow(run, api, await api.act(run.migration, 'unenforce'), run.catchUpMs);
  const standing = (await endState(run.stage.superuserUrl, run.folder)).standing;
  await run.until('the phase to be bridged again', run.catchUpMs, () =>
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
