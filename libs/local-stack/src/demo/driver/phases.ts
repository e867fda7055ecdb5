import { setTimeout as wait } from 'node:timers/promises';
import type { ApplicationLine } from '../application/main.js';
import { oracle } from '../oracle.js';
import type { AccessUrls } from './access-roles.js';
import type { Api } from './api.js';
import {
  CATCH_UP_MS_MAX,
  cutOver,
  finish,
  publishedEvents,
  startHighwater,
  startMigration,
  sweepMsMax,
  untilPhase,
} from './job.js';
import { LatencyProbe } from './latency.js';
import type { LatencyReport } from './latency.js';
import { missingOnTables, sweepPace, tableSizes } from './measure.js';
import { seconds } from './output.js';
import { planSource } from './plan.js';
import type { ReportFacts } from './report.js';
import type { Run } from './run.js';
import { leftTopics } from './topics.js';

const READY_MS_MAX = 60_000;
/** The old application goes on for that long after NOT NULL stands. */
const AFTER_ENFORCED_MS = 3_000;

/** Phase by phase, the whole job. Each has a deadline; what is measured on the way comes back as the report's facts. */
export async function perform(run: Run, urls: AccessUrls): Promise<ReportFacts> {
  const { stage } = run;
  const control = await withoutUs(run);
  const sizesBefore = await tableSizes(stage.superuserUrl);
  const api = await startHighwater(run, urls);
  const latency = await fill(run, api);
  await cutOver(run, api);
  const old = await replaceApplication(run);
  const status = await finish(run, api, run.windowSeconds);
  run.say('phase', 'finished; now the report');
  const now = await run.application?.finish();
  run.application = undefined; // it has ended, on purpose
  const published = await publishedEvents(run);
  if (!run.options.keep) await run.service?.stop();
  const { tables, leftovers } = await oracle(stage.superuserUrl);
  return {
    control,
    old,
    now,
    latency,
    status,
    published,
    sizes: { before: sizesBefore, after: await tableSizes(stage.superuserUrl) },
    sweep: await sweepPace(stage.superuserUrl),
    tables,
    missing: await missingOnTables(stage.superuserUrl),
    left: { ...leftovers, topics: await leftTopics(stage.brokers, stage.topicPrefix), reported: status.leftovers },
  };
}

/** The old application alone: what it waits for when we are not there. */
async function withoutUs(run: Run): Promise<ApplicationLine> {
  run.say(
    'phase',
    `the old application starts: ${run.options.writers} writers, ${run.options.rate} rows/s, and a probe every 5 ms`,
  );
  const application = run.startApplication('old');
  await application.line('ready', READY_MS_MAX);
  run.say('phase', `control phase: ${seconds(run.controlMs)} without Highwater`);
  await wait(run.controlMs, undefined, { signal: run.signal });
  application.kill('SIGUSR2');
  return await application.line('phase', 10_000);
}

/** plan → preflight → expand → stream → sweep → bridge; insert → filled is measured while there is a stream and no bridge. */
async function fill(run: Run, api: Api): Promise<LatencyReport> {
  const follower = await startMigration(run, api, planSource(run.windowSeconds));
  const probe = new LatencyProbe(run.stage.applicationUrl);
  run.cleanup.add('the latency probe', () => probe.stop());
  await run.until('the stream to open', CATCH_UP_MS_MAX, () => (follower.status?.stream === 'open' ? true : undefined));
  probe.start();
  await untilPhase(run, ['swept', 'bridged'], sweepMsMax(2 * run.options.rows));
  const report = await probe.stop();
  await untilPhase(run, ['bridged'], CATCH_UP_MS_MAX);
  return report;
}

/** Legacy writers survive NOT NULL by the bridge; then their new version takes over. */
async function replaceApplication(run: Run): Promise<ApplicationLine> {
  run.say(
    'phase',
    `NOT NULL stands; the old application goes on for ${seconds(AFTER_ENFORCED_MS)}, then its new version takes over`,
  );
  await wait(AFTER_ENFORCED_MS, undefined, { signal: run.signal });
  const old = run.application;
  if (!old) throw new Error('invariant broken: the old application runs');
  const final = await old.finish();
  const now = run.startApplication('new');
  await now.line('ready', READY_MS_MAX);
  return final;
}
