import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ApplicationLine } from '../application/main.js';
import { oracle } from '../oracle.js';
import type { AccessUrls } from './access-roles.js';
import { Api, Problem } from './api.js';
import type { MigrationStatus, Operation } from './api.js';
import { Follower } from './follow.js';
import { LatencyProbe } from './latency.js';
import type { LatencyReport } from './latency.js';
import { missingOnTables, sweepPace, tableSizes } from './measure.js';
import { migration, planSource } from './plan.js';
import { seconds } from './output.js';
import type { ReportFacts } from './report.js';
import type { Run } from './run.js';
import { startService } from './service.js';
import { leftTopics } from './topics.js';

const READY_MS_MAX = 60_000;
const STEP_MS_MAX = 60_000;
/** Slot, index and bridge wait for transactions that the application holds open for seconds. */
const CATCH_UP_MS_MAX = 240_000;
const CUTOVER_MS_MAX = 300_000;
/** The old application goes on for that long after NOT NULL stands. */
const AFTER_ENFORCED_MS = 3_000;
/** The slowest sweep that is still taken for progress. */
const ROWS_PER_SECOND_MIN = 1_000;

/** Phase by phase, the whole job. Each has a deadline; what is measured on the way comes back as the report's facts. */
export async function perform(run: Run, urls: AccessUrls): Promise<ReportFacts> {
  const { stage } = run;
  const control = await withoutUs(run);
  const sizesBefore = await tableSizes(stage.superuserUrl);
  const api = await startHighwater(run, urls);
  const latency = await fill(run, api);
  await cutOver(run, api);
  const old = await replaceApplication(run);
  const status = await finish(run, api);
  run.say('phase', 'finished; now the report');
  const now = await run.application?.finish();
  const published = await events(run);
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

async function startHighwater(run: Run, urls: AccessUrls): Promise<Api> {
  const service = await startService(run.stage, urls, run.signal);
  run.service = service;
  run.cleanup.add('the service', () => service.stop());
  run.say('phase', `the service listens on ${service.url}; its log is ${service.logFile}`);
  const api = new Api(service.url, run.signal);
  const schemas = join(run.stage.folder, 'schemas');
  mkdirSync(schemas);
  const { components } = await api.asyncApi();
  for (const { name, payload } of Object.values(components.messages))
    writeFileSync(join(schemas, `${name}.schema.json`), JSON.stringify(payload));
  run.startConsumer(schemas);
  return api;
}

/** plan → preflight → expand → stream → sweep → bridge; insert → filled is measured while there is a stream and no bridge. */
async function fill(run: Run, api: Api): Promise<LatencyReport> {
  const planned = await api.plan(planSource(run.windowSeconds));
  await follow(run, api, planned);
  const follower = new Follower(api, migration, run.say);
  run.follower = follower;
  run.cleanup.add('the follower', () => follower.stop());
  follower.start();
  await follow(run, api, await api.act(migration, 'preflight'));
  await follow(run, api, await api.act(migration, 'start'));

  const probe = new LatencyProbe(run.stage.applicationUrl);
  run.cleanup.add('the latency probe', () => probe.stop());
  await run.until('the stream to open', CATCH_UP_MS_MAX, () => (follower.status?.stream === 'open' ? true : undefined));
  probe.start();
  const sweepMsMax = CATCH_UP_MS_MAX + (2 * run.options.rows * 1_000) / ROWS_PER_SECOND_MIN;
  await run.until('the sweep to complete', sweepMsMax, () =>
    ['swept', 'bridged'].includes(follower.status?.phase ?? '') ? true : undefined,
  );
  const report = await probe.stop();
  await run.until('the bridge to be installed', CATCH_UP_MS_MAX, () =>
    follower.status?.phase === 'bridged' ? true : undefined,
  );
  return report;
}

/** Asks for the cutover whenever everything is ready, as often as it takes: an attempt may meet a lock it does not get. */
async function cutOver(run: Run, api: Api): Promise<void> {
  const deadline = Date.now() + CUTOVER_MS_MAX;
  const { follower } = run;
  for (let attempt = 1; ; attempt += 1) {
    const ready = await run.until('every condition to be True', Math.max(1, deadline - Date.now()), () => {
      if (follower?.status?.phase === 'enforced') return 'enforced' as const;
      return follower?.readiness?.ready ? follower.readiness : undefined;
    });
    if (ready === 'enforced') return;
    try {
      const operation = await api.cutover(migration, ready.generation);
      run.say('phase', `cutover asked for at generation ${ready.generation} (attempt ${attempt})`);
      await follow(run, api, operation, CUTOVER_MS_MAX);
    } catch (error) {
      // not ready any more, generation moved on, another attempt, a lock not obtained: look again and ask again
      const again =
        error instanceof OperationFailed || (error instanceof Problem && [409, 412, 422, 503].includes(error.status));
      if (!again) throw error;
      run.say('phase', `cutover not done: ${error.message}`);
      if (follower) follower.readiness = undefined;
      await wait(500, undefined, { signal: run.signal });
      continue;
    }
    await run.until('the phase to be enforced', STEP_MS_MAX, () =>
      follower?.status?.phase === 'enforced' ? true : undefined,
    );
    return;
  }
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

async function finish(run: Run, api: Api): Promise<MigrationStatus> {
  run.say('phase', `finish asked for; it waits for ${run.windowSeconds} s without use of the bridge`);
  await follow(run, api, await api.act(migration, 'finish'), CATCH_UP_MS_MAX);
  return await run.until('the phase to be finished', STEP_MS_MAX, async () => {
    const status = await api.status(migration);
    return status.phase === 'finished' ? status : undefined;
  });
}

/** The consumer has seen the last event; what it makes of all of them. */
async function events(run: Run): Promise<ReportFacts['published']> {
  const { consumer } = run;
  if (!consumer) throw new Error('invariant broken: the consumer runs');
  await until(run, consumer);
  const final = await consumer.finish();
  if (final.kind !== 'final') throw new Error('invariant broken: the last line of the consumer is final');
  return final;
}

const until = (run: Run, consumer: NonNullable<Run['consumer']>): Promise<unknown> => {
  run.application = undefined; // it has ended, on purpose
  return run.until('the consumer to read the last event', STEP_MS_MAX, () =>
    consumer.lines.find((line) => line.kind === 'event' && line.type.includes('.finished.')),
  );
};

class OperationFailed extends Error {}

/** Until the operation has succeeded. Errors: OperationFailed with the operation's own words. */
async function follow(run: Run, api: Api, accepted: Operation, timeoutMs = STEP_MS_MAX): Promise<void> {
  const done = await run.until(`operation ${accepted.verb}`, timeoutMs, async () => {
    const operation = await api.operation(accepted.id);
    return ['succeeded', 'failed'].includes(operation.status) ? operation : undefined;
  });
  if (done.status === 'succeeded') return;
  const { code = 'no code', message = 'no message', help } = done.error ?? {};
  throw new OperationFailed(`${done.verb} failed: ${code} ${message}${help === undefined ? '' : ` (${help})`}`);
}
