// `npm run demo`: the main job on a real PostgreSQL and a real Kafka, with an old application writing all the while.
//
//   stage ─▶ control phase ─▶ service: plan … ready ─▶ cutover ─▶ new application ─▶ finish ─▶ report ─▶ exit 0 or 1
//
// Ctrl-C and failures clean up; whatever is started below is stopped by `cleanup`, and by its guard should we be killed.
import { setTimeout as wait } from 'node:timers/promises';
import { isHighwaterError, messageOf } from '@highwater/kernel';
import { createAccessRoles } from './driver/access-roles.js';
import { Cleanup } from './driver/cleanup.js';
import { BadUsage, parseOptions, usage } from './driver/options.js';
import type { DemoOptions } from './driver/options.js';
import { seconds, sayer } from './driver/output.js';
import { perform } from './driver/phases.js';
import { planSource } from './driver/plan.js';
import { report } from './driver/report.js';
import { Run } from './driver/run.js';
import { setStage } from './driver/stage.js';

/** A second signal after that long ends us at once, cleaned up or not. */
const SECOND_SIGNAL_MS = 1_000;

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

async function demo(options: DemoOptions): Promise<number> {
  const started = Date.now();
  const say = sayer((line) => process.stdout.write(`${line}\n`));
  process.stdout.on('error', () => undefined); // nobody reads any more: clean up all the same
  const stop = new AbortController();
  let signalled = 0;
  let signalledAt = 0;
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => {
      // npm passes on what the terminal has already sent to all of us: that is one Ctrl-C, not two
      if (signalled !== 0 && Date.now() - signalledAt > SECOND_SIGNAL_MS) process.exit(code);
      if (signalled !== 0) return;
      [signalled, signalledAt] = [code, Date.now()];
      stop.abort(new Error(`stopped by ${signal}`));
    });
  }
  const cleanup = new Cleanup();
  let failed = true;
  try {
    const stage = await setStage(options, say, cleanup, () => failed && signalled === 0);
    stop.signal.throwIfAborted();
    const run = new Run(options, stage, say, stop.signal, cleanup);
    const { urls, grants } = await createAccessRoles(stage, planSource(run.windowSeconds));
    say(
      'setting',
      `five database roles made from the ${grants.split('\n').filter((text) => text.endsWith(';')).length} statements of highwater init --print-grants`,
    );
    const lines = report(await perform(run, urls));
    say('report', '');
    for (const { text, wrong } of lines) say(wrong ? 'WRONG' : 'report', text);
    const wrong = lines.filter((line) => line.wrong);
    failed = wrong.length > 0;
    say('report', `total time         ${seconds(Date.now() - started)}`);
    say('report', failed ? `NOT right: ${wrong.map(({ text }) => text.trim()).join(' | ')}` : 'all of it is right');
    if (options.keep) await keep(run, say, stop.signal);
  } catch (error) {
    if (signalled === 0) {
      say('FAILED', messageOf(error));
      if (isHighwaterError(error) && error.help !== undefined) say('help', error.help);
    }
  }
  if (signalled !== 0) say('stopping', 'taking everything down');
  for (const failure of await cleanup.run()) say('cleaning', failure);
  return signalled !== 0 ? signalled : failed ? 1 : 0;
}

/** Everything stays, for a look around; until Ctrl-C. */
async function keep({ stage, service }: Run, say: ReturnType<typeof sayer>, signal: AbortSignal): Promise<void> {
  say(
    'keep',
    `service ${service?.url ?? 'none'}\ndatabase ${stage.superuserUrl}\nKafka ${stage.brokers.join(', ')}, events on ${stage.topicPrefix}.events\nCtrl-C ends it`,
  );
  while (!signal.aborted) await wait(60_000, undefined, { signal }).catch(() => undefined);
}
