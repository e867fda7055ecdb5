import { expect, it } from 'vitest';
import { BadUsage, parseOptions } from './options.js';

it('has the defaults that the README promises', () => {
  expect(parseOptions([])).toEqual({ rows: 500_000, writers: 4, rate: 200, seed: 1, keep: false });
});

it('takes every option', () => {
  expect(parseOptions(['--rows', '3000', '--writers=2', '--rate', '60', '--seed', '7', '--keep'])).toEqual({
    rows: 3_000,
    writers: 2,
    rate: 60,
    seed: 7,
    keep: true,
  });
  expect(parseOptions(['--help', '--rows', '3000'])).toBe('help');
});

it.each([
  [['--row', '3']],
  [['extra']],
  [['--rows', 'many']],
  [['--rows', '3.5']],
  [['--rate', '0']],
  [['--writers']],
  [['--keep=yes']],
])('refuses %j', (args) => {
  expect(() => parseOptions(args)).toThrow(BadUsage);
});
