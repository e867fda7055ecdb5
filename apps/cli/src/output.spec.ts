import { describe, expect, it } from 'vitest';
import { clean, table } from './output.js';

describe('output', () => {
  it('shows control characters instead of obeying them', () => {
    expect(clean('a\u001b]0;owned\u0007b\n')).toBe('a\ufffd]0;owned\ufffdb\n');
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
