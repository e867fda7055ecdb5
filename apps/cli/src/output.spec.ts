import { describe, expect, it } from 'vitest';
import { clean, csvFor, table } from './output.js';

describe('output', () => {
  it('shows control characters instead of obeying them', () => {
    expect(clean('a\u001b]0;owned\u0007b\n')).toBe('a\ufffd]0;owned\ufffdb\n');
  });

  it('gives a program what there is, and a terminal no escapes', () => {
    const terminal = (interactive: boolean) => ({
      out: () => undefined,
      err: () => undefined,
      drained: () => Promise.resolve(),
      interactive,
    });
    expect(csvFor(terminal(false), ['key'], [['a\u001bb']])).toBe('key\r\na\u001bb\r\n');
    expect(csvFor(terminal(true), ['key'], [['a\u001bb']])).toBe('key\r\na\ufffdb\r\n');
  });

  it('aligns columns', () => {
    expect(
      table(
        ['name', 'n'],
        [
          ['a', '1'],
          ['long name', '22'],
        ],
      ),
    ).toBe('NAME       N\na          1\nlong name  22\n');
  });
});
