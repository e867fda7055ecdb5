import { describe, expect, it } from 'vitest';
import { lsn, zeroLsn } from '@highwater/kernel';
import { slotDifference } from './slot-difference.js';
import type { StreamInfo } from './stream-info.js';

const stream = { slot: 'hw_x_1' } as StreamInfo;
const at = (position: number) => lsn(BigInt(position));
const record = { acknowledgedLsn: at(100), timeline: 1, acknowledgedHere: zeroLsn };
const found = { confirmedLsn: at(100), timeline: 1, walEnd: at(500) };

describe('a slot against its record', () => {
  it.each([
    ['where it was acknowledged', record, found],
    [
      'behind: the acknowledgement was recorded and not sent, or the server crashed',
      record,
      { ...found, confirmedLsn: at(50) },
    ],
    ['never recorded', { ...record, acknowledgedLsn: null, timeline: null }, { ...found, confirmedLsn: at(400) }],
    ['gone: the connection says so', record, { ...found, confirmedLsn: null }],
  ])('%s: no difference', (_what, recorded, seen) => {
    expect(slotDifference(stream, recorded, seen)).toBeUndefined();
  });

  it.each([
    ['ahead of what we acknowledged', record, { ...found, confirmedLsn: at(101) }, 'SlotAdvanced'],
    ['another timeline', record, { ...found, timeline: 2 }, 'HistoryChanged'],
    ['a server that ends before what it sent us', { ...record, acknowledgedHere: at(501) }, found, 'HistoryChanged'],
  ])('%s', (_what, recorded, seen, reason) => {
    expect(slotDifference(stream, recorded, seen)).toMatchObject({ reason });
  });
});
