import { describe, expect, it } from 'vitest';
import { BadUsage, demoUsage, parseDemoOptions, parseOptions, usage } from './options.js';

const names = ['data-hub-tenancy', 'price-history-rls'];

describe('options of npm run example', () => {
  it('need the name of an example alone', () => {
    expect(parseOptions(['price-history-rls'], names)).toEqual({
      ...{
        name: 'price-history-rls',
        rows: 5_000,
        writers: 3,
        rate: 100,
        seed: 1,
        keep: false,
        stream: 'plan',
        report: undefined,
      },
    });
    expect(parseOptions(['--rows', '2000000', 'data-hub-tenancy', '--keep'], names)).toMatchObject({
      ...{ name: 'data-hub-tenancy', rows: 2_000_000, keep: true },
    });
    expect(parseOptions(['price-history-rls', '--stream', 'none', '--report', 'r.md'], names)).toMatchObject({
      ...{ stream: 'none', report: 'r.md' },
    });
    expect(parseOptions(['--help'], names)).toBe('help');
    for (const name of names) expect(usage(names)).toContain(name);
  });

  it.each([
    [[], 'which example?'],
    [['no-such-team'], 'there is no example "no-such-team"'],
    [names, 'there is no example "data-hub-tenancy price-history-rls"'],
    [['price-history-rls', '--rows', '999'], '--rows is "999"; expected a whole number from 1000 to 10000000'],
    [['price-history-rls', '--stream', 'some'], '--stream is "some"; expected none'],
    [['price-history-rls', '--rowz', '5000'], "Unknown option '--rowz'"],
  ])('%j is refused: %s', (args, message) => {
    expect(() => parseOptions(args, names)).toThrow(message);
  });
});

describe('options of npm run demo', () => {
  it('have the defaults that the README promises, and take the others of an example', () => {
    expect(parseDemoOptions([])).toMatchObject({
      name: 'organization-to-workspace',
      rows: 100_000,
      writers: 3,
      rate: 100,
    });
    expect(parseDemoOptions(['--rows', '3000', '--writers=2', '--rate', '60', '--seed', '7', '--keep'])).toMatchObject({
      ...{ rows: 3_000, writers: 2, rate: 60, seed: 7, keep: true },
    });
    expect(parseDemoOptions(['--help', '--rows', '3000'])).toBe('help');
    expect(demoUsage).toContain('(default 100000)');
  });

  it.each([
    [['--row', '3']],
    [['extra']],
    [['--rows', 'many']],
    [['--rows', '3000.5']],
    [['--rate', '0']],
    [['--writers']],
    [['--keep=yes']],
  ])('refuse %j', (args) => {
    expect(() => parseDemoOptions(args)).toThrow(BadUsage);
  });
});
