import { setTimeout as wait } from 'node:timers/promises';
import { isHighwaterError, messageOf } from '@highwater/kernel';
import { Cleanup } from './cleanup.js';
import { seconds, sayer } from './output.js';
import type { Say } from './output.js';
import type { Line } from './report.js';
import { setStage } from './stage.js';
import type { Scenery, Stage } from './stage.js';

/** A second signal after that long ends us at once, cleaned up or not. */
const SECOND_SIGNAL_MS = 1_000;

export interface Rehearsal {
  readonly scenery: Scenery;
  /** Everything stays at the end, until Ctrl-C. */
  readonly keep: boolean;
  perform(on: {
    readonly stage: Stage;
    readonly say: Say;
    readonly signal: AbortSignal;
    readonly cleanup: Cleanup;
  }): Promise<{ readonly lines: readonly Line[]; readonly service: string | undefined }>;
}

/**
 * Stage, performance, report, and everything taken down again, whichever way it ends. Answers the exit code: 0 when every line of the
 * report is right, 1 when one is wrong or something failed, 128 and the signal's number when stopped.
 */
export async function rehearse({ scenery, keep, perform }: Rehearsal): Promise<number> {
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
    const stage = await setStage(scenery, say, cleanup, () => failed && signalled === 0);
    stop.signal.throwIfAborted();
    const { lines, service } = await perform({ stage, say, signal: stop.signal, cleanup });
    say('report', '');
    for (const { text, wrong } of lines) say(wrong ? 'WRONG' : 'report', text);
    const wrong = lines.filter((line) => line.wrong);
    failed = wrong.length > 0;
    say('report', `total time         ${seconds(Date.now() - started)}`);
    say('report', failed ? `NOT right: ${wrong.map(({ text }) => text.trim()).join(' | ')}` : 'all of it is right');
    if (keep) await stay(stage, service, say, stop.signal);
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
async function stay(stage: Stage, service: string | undefined, say: Say, signal: AbortSignal): Promise<void> {
  say(
    'keep',
    `service ${service ?? 'none'}\ndatabase ${stage.superuserUrl}\nKafka ${stage.brokers.length > 0 ? `${stage.brokers.join(', ')}, events on ${stage.topicPrefix}.events` : 'none'}\nCtrl-C ends it`,
  );
  while (!signal.aborted) await wait(60_000, undefined, { signal }).catch(() => undefined);
}
