import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ConsumerLine } from '../consumer/main.js';
import type { AccessUrls } from './access-roles.js';
import { Api, Problem } from './api.js';
import type { MigrationStatus, Operation, Readiness } from './api.js';
import { Follower } from './follow.js';
import type { JobRun } from './job-run.js';
import { startService } from './service.js';

export const STEP_MS_MAX = 60_000;
/** Slot, index and bridge wait for transactions that the application holds open for seconds. */
export const CATCH_UP_MS_MAX = 240_000;
export const CUTOVER_MS_MAX = 300_000;
/** The slowest sweep that is still taken for progress. */
const ROWS_PER_SECOND_MIN = 1_000;

/** How long a sweep over so many rows may take before it is taken for stuck. */
export const sweepMsMax = (rows: number): number => CATCH_UP_MS_MAX + (rows * 1_000) / ROWS_PER_SECOND_MIN;

/** The service as a process of its own, and, where there is Kafka, another team's consumer of its events. */
export async function startHighwater(
  run: JobRun,
  urls: AccessUrls,
  settings: Readonly<Record<string, string>> = {},
): Promise<Api> {
  const service = await startService(run.stage, urls, settings, run.signal);
  run.service = service;
  run.cleanup.add('the service', () => service.stop());
  run.say('phase', `the service listens on ${service.url}; its log is ${service.logFile}`);
  const api = new Api(service.url, run.signal);
  if (run.stage.brokers.length === 0) return api;
  const schemas = join(run.stage.folder, 'schemas');
  mkdirSync(schemas);
  const { components } = await api.asyncApi();
  for (const { name, payload } of Object.values(components.messages))
    writeFileSync(join(schemas, `${name}.schema.json`), JSON.stringify(payload));
  run.startConsumer(schemas);
  return api;
}

/** Hands the plan in, has it checked and starts it; from here on the migration is followed line by line. */
export async function startMigration(
  run: JobRun,
  api: Api,
  plan: string,
  beforeStart: () => Promise<unknown> = () => Promise.resolve(),
): Promise<Follower> {
  await follow(run, api, await api.plan(plan));
  const follower = new Follower(api, run.migration, run.say);
  run.follower = follower;
  run.cleanup.add('the follower', () => follower.stop());
  follower.start();
  await follow(run, api, await api.act(run.migration, 'preflight'));
  await beforeStart();
  await follow(run, api, await api.act(run.migration, 'start'));
  return follower;
}

/** Waits until the migration stands in one of these phases. */
export async function untilPhase(run: JobRun, phases: readonly string[], timeoutMs: number): Promise<void> {
  await run.until(`the phase to be ${phases.join(' or ')}`, timeoutMs, () =>
    phases.includes(run.follower?.status?.phase ?? '') ? true : undefined,
  );
}

/**
 * Asks for the cutover whenever everything is ready, as often as it takes: an attempt may meet a lock it does not get. Answers what the product says
 * is the team's to do next.
 */
export async function cutOver(run: JobRun, api: Api): Promise<readonly string[]> {
  const deadline = Date.now() + CUTOVER_MS_MAX;
  const { follower } = run;
  for (let attempt = 1; ; attempt += 1) {
    const ready = await run.until('every condition to be True', Math.max(1, deadline - Date.now()), () => {
      if (follower?.status?.phase === 'enforced') return 'enforced' as const;
      return follower?.readiness?.ready ? follower.readiness : undefined;
    });
    if (ready === 'enforced') return [];
    const done = await attempted(run, api, ready, attempt);
    if (done) {
      await untilPhase(run, ['enforced'], STEP_MS_MAX);
      return (done.result as { readonly next?: readonly string[] } | undefined)?.next ?? [];
    }
    if (follower) follower.readiness = undefined;
    await wait(500, undefined, { signal: run.signal });
  }
}

async function attempted(
  run: JobRun,
  api: Api,
  { generation }: Readiness,
  attempt: number,
): Promise<Operation | undefined> {
  try {
    const operation = await api.cutover(run.migration, generation);
    run.say('phase', `cutover asked for at generation ${generation} (attempt ${attempt})`);
    return await follow(run, api, operation, CUTOVER_MS_MAX);
  } catch (error) {
    // not ready any more, generation moved on, another attempt, a lock not obtained: look again and ask again
    const again =
      error instanceof OperationFailed || (error instanceof Problem && [409, 412, 422, 503].includes(error.status));
    if (!again) throw error;
    run.say('phase', `cutover not done: ${error.message}`);
    return undefined;
  }
}

/** Without a stream nobody reports who still needs the bridge: then it is the operator's word that nobody does. */
export async function finish(run: JobRun, api: Api, windowSeconds: number): Promise<MigrationStatus> {
  const reported = run.stage.brokers.length > 0;
  run.say(
    'phase',
    reported
      ? `finish asked for; it waits for ${windowSeconds} s without use of the bridge`
      : 'finish asked for; the old application is gone, and we say so',
  );
  const accepted = await api.act(run.migration, 'finish', reported ? {} : { bridgeUnused: true });
  await follow(run, api, accepted, CATCH_UP_MS_MAX);
  return await run.until('the phase to be finished', STEP_MS_MAX, async () => {
    const status = await api.status(run.migration);
    return status.phase === 'finished' ? status : undefined;
  });
}

/** The consumer has seen the last event; what it makes of all of them. Errors when there is none: without Kafka nobody asks. */
export async function publishedEvents(run: JobRun): Promise<Extract<ConsumerLine, { kind: 'final' }>> {
  const { consumer } = run;
  if (!consumer) throw new Error('invariant broken: the consumer runs');
  await run.until('the consumer to read the last event', STEP_MS_MAX, () =>
    consumer.lines.find((line) => line.kind === 'event' && line.type.includes('.finished.')),
  );
  const final = await consumer.finish();
  if (final.kind !== 'final') throw new Error('invariant broken: the last line of the consumer is final');
  return final;
}

class OperationFailed extends Error {}

/** Until the operation has succeeded. Errors: OperationFailed with the operation's own words. */
export async function follow(run: JobRun, api: Api, accepted: Operation, timeoutMs = STEP_MS_MAX): Promise<Operation> {
  const done = await run.until(`operation ${accepted.verb}`, timeoutMs, async () => {
    const operation = await api.operation(accepted.id);
    return ['succeeded', 'failed'].includes(operation.status) ? operation : undefined;
  });
  if (done.status === 'succeeded') return done;
  const { code = 'no code', message = 'no message', help } = done.error ?? {};
  throw new OperationFailed(`${done.verb} failed: ${code} ${message}${help === undefined ? '' : ` (${help})`}`);
}
