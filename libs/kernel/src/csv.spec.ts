import { describe, expect, it } from 'vitest';
import { csv } from './csv.js';

describe('csv', () => {
  it.each([
    ['plain', 'plain'],
    ['-42', '-42'],
    ['a,b', '"a,b"'],
    ['say "no"', '"say ""no"""'],
    ['two\nlines', '"two\nlines"'],
    ['=1+1', "'=1+1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['-1+2', "'-1+2"],
    ['+49', "'+49"],
  ])('%j is written as %j', (value, written) => {
    expect(csv(['key'], [[value]])).toBe(`key\r\n${written}\r\n`);
  });
});
