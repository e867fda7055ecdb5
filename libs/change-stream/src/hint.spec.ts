import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeHint,
  encodeHint,
  hintEnd,
  hintBytesMax,
  hintWriter,
  isPoison,
  type EntityHint,
  type FenceHint,
  type RowHint,
} from './hint.js';
import { partitionOf } from './partition.js';

const row: RowHint = {
  v: 1,
  kind: 'row',
  migration: 'm',
  epoch: 1,
  table: ['public', 'Activity'],
  key: ['a1'],
  xid: '123456',
  lsn: '0/16B3748',
};
const entity: EntityHint = { ...row, kind: 'entity', table: ['public', 'Organization'], key: ['o1'] };
const fence: FenceHint = {
  v: 1,
  kind: 'fence',
  migration: 'm',
  epoch: 1,
  token: 'f-1',
  partition: 0,
  partitions: 4,
  lsn: '0/16B3748',
};
const text = (value: unknown): string => JSON.stringify(value);

describe('hint codec', () => {
  it('reads back what it wrote, any key text included', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string({ unit: 'binary' }).filter((key) => !key.includes('\u0000')),
          { minLength: 1, maxLength: 4 },
        ),
        (key) => {
          expect(decodeHint(encodeHint({ ...row, key }))).toEqual({ ...row, key });
          for (const hint of [row, entity])
            expect(hintWriter(hint)(key, hintEnd(hint))).toBe(encodeHint({ ...hint, key }));
          expect(decodeHint(new TextEncoder().encode(encodeHint({ ...row, key: ['größe'] })))).toEqual({
            ...row,
            key: ['größe'],
          });
        },
      ),
    );
    expect(decodeHint(encodeHint(fence))).toEqual(fence);
    expect(decodeHint(encodeHint(entity))).toEqual(entity);
  });

  it.each([
    ['NullValue', null],
    ['NullValue', undefined],
    ['NotJson', 'not json'],
    ['NotJson', new Uint8Array([0xff, 0xfe, 0x7b])],
    ['Malformed', '[]'],
    ['Malformed', 'null'],
    ['Malformed', '1'],
    ['UnknownVersion', text({ ...row, v: 2 })],
    ['UnknownVersion', text({})],
    ['UnknownKind', text({ ...row, kind: 'entities' })],
    ['TooLarge', 'x'.repeat(hintBytesMax + 1)],
    ['Malformed', text({ ...row, key: [] })],
    ['Malformed', text({ ...row, key: [1] })],
    ['Malformed', text({ ...row, key: [null] })],
    ['Malformed', text({ ...row, key: ['a\u0000b'] })],
    ['Malformed', text({ ...row, key: Array(33).fill('a') })],
    ['Malformed', text({ ...row, table: ['public'] })],
    ['Malformed', text({ ...row, table: 'public.Activity' })],
    ['Malformed', text({ ...row, xid: 5 })],
    ['Malformed', text({ ...row, xid: '-5' })],
    ['Malformed', text({ ...row, xid: '18446744073709551616' })],
    ['Malformed', text({ ...row, lsn: '5' })],
    ['Malformed', text({ ...row, epoch: '1' })],
    ['Malformed', text({ ...row, epoch: -1 })],
    ['Malformed', text({ ...row, migration: '' })],
    ['Malformed', text({ ...entity, key: [] })],
    ['Malformed', text({ ...entity, key: ['a\u0000b'] })],
    ['Malformed', text({ ...entity, table: ['Organization'] })],
    ['Malformed', text({ ...entity, xid: '-5' })],
    ['Malformed', text({ ...fence, partition: 4 })],
    ['Malformed', text({ ...fence, token: 'x'.repeat(257) })],
  ])('refuses as %s: %s', (poison, value) => {
    expect(decodeHint(value)).toEqual({ poison });
  });

  it('never throws and never lets a wrong shape through, whatever arrives', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc
            .record({ v: fc.constant(1), kind: fc.constantFrom('row', 'entity', 'fence'), key: fc.anything() })
            .map(text),
        ),
        (value) => {
          expect(isPoison(decodeHint(value))).toBe(true);
        },
      ),
    );
  });
});

describe('partition choice', () => {
  it('is stable, in range, and tells apart keys that read the same when joined', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), fc.integer({ min: 1, max: 64 }), (key, partitions) => {
        const chosen = partitionOf(['public', 't'], key, partitions);
        expect(chosen).toBe(partitionOf(['public', 't'], [...key], partitions));
        expect(chosen >= 0 && chosen < partitions).toBe(true);
      }),
    );
    expect(partitionOf(['s', 't'], ['a', 'bc'], 1 << 20)).not.toBe(partitionOf(['s', 't'], ['ab', 'c'], 1 << 20));
  });
});
