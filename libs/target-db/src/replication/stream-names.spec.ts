import { expect, it } from 'vitest';
import { epochOfStreamName, streamName } from './stream-names.js';

it('a name tells its epoch, whichever try made it', () => {
  for (const epoch of [1, 2, 17])
    for (const taken of [0, 1, 9])
      expect(epochOfStreamName('0a1b2c3d', streamName('0a1b2c3d', epoch, taken))).toBe(epoch);
  expect(streamName('0a1b2c3d', 2)).toBe('hw_0a1b2c3d_2');
  expect(epochOfStreamName('0a1b2c3d', 'hw_0a1b2c3d')).toBe(0);
});

it.each(['hw_ffffffff_1', 'hw_0a1b2c3d_1_check', 'hw_0a1b2c3d4', 'hw_0a1b2c3d_', 'other'])(
  '%s is no stream of this migration',
  (name) => {
    expect(epochOfStreamName('0a1b2c3d', name)).toBeUndefined();
  },
);
