import type { Finding } from './condition.js';
import { fails, holds, unknown } from './condition.js';
import type { Judged } from './judged.js';
import { clock, withObservation } from './judged.js';
import type { BridgeSeen } from './observations.js';

interface Words {
  /** What the named writer did. */
  readonly did: string;
  readonly clean: string;
  readonly cleanReason: string;
}

/** Over the window no statement that the bridge handled was left NULL. */
export const bridgeResolves = (judged: Judged): Finding =>
  quietWindow(judged, {
    did: 'left a NULL',
    clean: 'no statement was left NULL',
    cleanReason: 'WindowClean',
  });

/** Over the window no writer inserted a NULL: the observing bridge of mode `strict` says so. */
export const writersConverted = (judged: Judged): Finding =>
  quietWindow(judged, {
    did: 'inserted a row without a value',
    clean: 'no writer inserted a row without a value',
    cleanReason: 'NoNullWriters',
  });

function quietWindow(judged: Judged, words: Words): Finding {
  const { stream } = judged.observations;
  if (judged.subject.stream && stream && 'broken' in stream && stream.broken) {
    return unknown(
      'StreamBroken',
      'The stream that carries the reports of the bridge is broken; the window starts again after it.',
    );
  }
  return withObservation(judged, 'bridge', (seen) => installed(seen, judged.nowMs, words));
}

function installed(seen: BridgeSeen, nowMs: number, words: Words): Finding {
  const { installedAt, brokenAt, windowMs, lastUnresolved, unresolvedInWindow } = seen;
  if (installedAt === undefined)
    return fails('NotInstalled', 'The bridge is not installed; the run installs it when the sweep is complete.');
  if (!seen.enabledEverywhere)
    return fails(
      'Disabled',
      'The trigger of the bridge is disabled or missing on a table or partition; enable it again.',
    );
  const need = `need ${clock(windowMs)} without one`;
  if (lastUnresolved && nowMs - Date.parse(lastUnresolved.at) < windowMs) {
    const ago = clock(nowMs - Date.parse(lastUnresolved.at));
    return unknown('WindowNotElapsed', `${lastUnresolved.applicationName} ${words.did} ${ago} ago; ${need}.`, {
      application_name: lastUnresolved.applicationName,
      at: lastUnresolved.at,
      inWindow: unresolvedInWindow,
    });
  }
  if (unresolvedInWindow > 0) {
    return unknown('WindowNotElapsed', `${unresolvedInWindow} statements ${words.did} within the window; ${need}.`, {
      inWindow: unresolvedInWindow,
    });
  }
  const since = brokenAt !== undefined && Date.parse(brokenAt) > Date.parse(installedAt) ? brokenAt : installedAt;
  const watchedMs = nowMs - Date.parse(since);
  if (watchedMs < windowMs) {
    return unknown('WindowNotElapsed', `Watched for ${clock(watchedMs)} so far; ${need}.`, { since });
  }
  return holds(words.cleanReason, `For ${clock(windowMs)} ${words.clean}.`, { windowMs, since });
}
