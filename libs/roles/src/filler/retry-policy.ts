import type { HintItem } from './triage.js';

/** Looks at a contended row before the tail pass owns it: with the pauses below about two seconds. */
export const contendedLooksMax = 10;
/** A hint that is parked for so long must prove that its transaction is really held somewhere. */
export const parkedUnprovenMsMax = 5_000;

/** Pause before the next look at a parked hint: a commit behind a synchronous standby becomes visible within milliseconds. */
export const parkedPauseMs = (item: HintItem, nowMs: number): number =>
  nowMs - item.arrivedAtMs > parkedUnprovenMsMax ? 250 : Math.min(20, 5 + item.parked);

/** Growing pauses: somebody's short transaction first, then somebody's long one. */
export const contendedPauseMs = (looks: number): number => Math.min(500, 10 * 2 ** Math.min(looks, 6));

/** Not visible yet: the progress holds its prefix, the next look is soon. */
export function parkItem(item: HintItem, nowMs: number): void {
  item.parked += 1;
  item.progress.park(item.offset);
  item.dueAtMs = nowMs + parkedPauseMs(item, nowMs);
}

/** Somebody holds the row. */
export function contendItem(item: HintItem, nowMs: number): void {
  item.contended += 1;
  item.progress.contend(item.offset);
  item.dueAtMs = nowMs + contendedPauseMs(item.contended);
}

/** Not judged at all; counts as no look. */
export function deferItem(item: HintItem, dueAtMs: number): void {
  item.progress.contend(item.offset);
  item.dueAtMs = dueAtMs;
}
