import type { Finding } from './condition.js';
import { fails, holds, unknown } from './condition.js';
import type { Judged } from './judged.js';
import { clock, withObservation } from './judged.js';
import type { FenceSeen } from './observations.js';
import { retentionAlarm } from './retention.js';

/** A reached fence proves what came before it; after this long another must have come back. */
export const fenceAgeMsMax = 30_000;
/** How long a fence may be on its way before "not yet" becomes "late". */
export const fenceTripMsMax = 10_000;

const noStream = holds('NoStream', 'The plan has no stream; sweep, tail passes and the final proof do the work alone.');

export function publicationIntact(judged: Judged): Finding {
  if (!judged.subject.stream) return noStream;
  return withObservation(judged, 'publication', ({ intact, difference, strays = [] }) =>
    intact
      ? holds('Intact', ['The publication is the one that was opened.', ...strays].join(' Beside it: '), { strays })
      : fails(
          'Changed',
          `The publication changed (${difference}); a new stream and a new sweep of NULL rows clear it.`,
          { difference },
        ),
  );
}

export function slotHealthy(judged: Judged): Finding {
  if (!judged.subject.stream) return noStream;
  return withObservation(judged, 'slot', (slot) => {
    const { active, walStatus, retainedBytes, safeBytes, limitBytes, behindBytes = null, holder = null } = slot;
    const { mark, percent, message } = retentionAlarm(slot);
    const evidence = { active, walStatus, retainedBytes, safeBytes, limitBytes, behindBytes, percent, holder };
    if (walStatus === null)
      return fails('Missing', 'The replication slot is gone; a new stream and a new sweep clear it.', evidence);
    if (walStatus === 'lost') {
      return fails(
        'Lost',
        'The server removed WAL the slot needed (wal_status lost); a new stream and a new sweep clear it.',
        evidence,
      );
    }
    if (walStatus === 'unreserved') {
      return fails('Unreserved', `${message}. It is about to be lost (wal_status unreserved).`, evidence);
    }
    if (!active)
      return fails('Inactive', `No relay reads the slot; it clears when one is running. ${message}.`, evidence);
    if (mark === 90) return fails('NearLimit', `${message}. It clears below 90%.`, evidence);
    return holds('Active', `A relay reads the slot. ${message}.`, evidence);
  });
}

export function streamCaughtUp(judged: Judged): Finding {
  if (!judged.subject.stream) return noStream;
  return withObservation(judged, 'stream', ({ broken, fence }) => {
    if (broken)
      return fails('StreamBroken', `The stream is broken (${broken.reason}): ${broken.message}`, {
        reason: broken.reason,
      });
    if (!fence) return unknown('NoFence', 'No fence has been written yet.');
    return fence.reachedAt === undefined ? underway(fence, judged) : reached(fence, fence.reachedAt, judged);
  });
}

function reached(fence: FenceSeen, reachedAt: string, { nowMs }: Judged): Finding {
  const { token, partitions, roundTripMs } = fence;
  const ageMs = nowMs - Date.parse(reachedAt);
  const evidence = { fence: token, partitions, roundTripMs };
  if (ageMs > fenceAgeMsMax) {
    return unknown('FenceStale', `Fence ${token} came back ${clock(ageMs)} ago; a newer one must come back.`, evidence);
  }
  const took = roundTripMs === undefined ? '' : ` in ${Math.round(roundTripMs)} ms`;
  return holds(
    'FenceReached',
    `Fence ${token} came back through ${partitions} of ${partitions} partitions${took}.`,
    evidence,
  );
}

function underway(fence: FenceSeen, { nowMs, previous }: Judged): Finding {
  const { token, partitions, stuck } = fence;
  const ageMs = nowMs - Date.parse(fence.writtenAt);
  const evidence = { fence: token, partitions, reached: fence.reached, stuck };
  const so = `Fence ${token} has come back through ${fence.reached} of ${partitions} partitions in ${clock(ageMs)}`;
  if (ageMs <= fenceTripMsMax) {
    // The fence before it proved what it proved: being under way is no change, or each fence would move the generation.
    if (previous?.status === 'True' && previous.reason === 'FenceReached')
      return holds('FenceReached', `${so}.`, evidence);
    return unknown('FenceUnderWay', `${so}.`, evidence);
  }
  const waiting = stuck
    .map((one) => `partition ${one.partition} (parked ${one.parked}, contended ${one.contended})`)
    .join(', ');
  return fails('FenceLate', `${so}; waiting for ${waiting || 'the relay'}.`, evidence);
}
