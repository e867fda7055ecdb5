import { HighwaterError } from '@highwater/kernel';
import { logGap } from './codes.js';
import type { StoredEvent } from './stored-event.js';

const gap = (what: string, expected: number | bigint, found: number | bigint): HighwaterError =>
  new HighwaterError(
    logGap,
    'never',
    `event log has a gap: ${what} ${String(expected)} is missing, the next one is ${String(found)}`,
    { what, expected: String(expected), found: String(found) },
    'stop the service and restore table highwater.event; the published events hold what is missing',
  );

/** Throws HW6004 unless the versions of one stream follow each other from `after` + 1. */
export function assertStreamGapFree(stream: string, after: number, events: readonly StoredEvent[]): void {
  events.forEach((event, index) => {
    const expected = after + index + 1;
    if (event.version !== expected) throw gap(`version of stream "${stream}"`, expected, event.version);
  });
}

/** Throws HW6004 unless positions follow each other from `after` + 1: a failed append gives its positions back. */
export function assertLogGapFree(after: bigint, events: readonly StoredEvent[]): void {
  events.forEach((event, index) => {
    const expected = after + BigInt(index) + 1n;
    if (event.position !== expected) throw gap('position', expected, event.position);
  });
}
