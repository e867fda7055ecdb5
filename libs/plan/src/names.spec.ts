import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formatTableName,
  parseTableKeyReference,
  parseTableName,
  sameColumnSet,
  sameColumns,
  sameTable,
} from './names.js';
import { formatPath, parsePath } from './path.js';
import { suggest } from './suggest.js';

describe('names', () => {
  it('read a table with and without its schema', () => {
    expect(parseTableName('Group')).toEqual({ name: 'Group' });
    expect(parseTableName('app.Group')).toEqual({ schema: 'app', name: 'Group' });
    expect(parseTableName('a.b.c')).toBeUndefined();
    expect(parseTableName('')).toBeUndefined();
    expect(formatTableName({ schema: 'app', name: 'Group' })).toBe('app.Group');
    expect(sameTable({ name: 'Group' }, { schema: 'public', name: 'Group' })).toBe(true);
    expect(sameTable({ name: 'Group' }, { name: 'group' })).toBe(false);
  });

  it('read a key reference', () => {
    expect(parseTableKeyReference('app.Group( tenant, id )')).toEqual({
      table: { schema: 'app', name: 'Group' },
      columns: ['tenant', 'id'],
    });
    expect(parseTableKeyReference('Group')).toBeUndefined();
    expect(parseTableKeyReference('Group()')).toBeUndefined();
  });

  it('compare columns in order, or as a set', () => {
    expect(sameColumns(['a', 'b'], ['b', 'a'])).toBe(false);
    expect(sameColumnSet(['a', 'b'], ['b', 'a'])).toBe(true);
    expect(sameColumnSet(['a'], ['a', 'b'])).toBe(false);
  });
});

describe('suggestions', () => {
  it.each([
    ['workspaceID', 'workspaceId'],
    ['workspace_id', 'workspaceId'],
    ['worskpaceId', 'workspaceId'],
    ['vai', 'via'],
    ['zebra', undefined],
  ])('%s → %s', (wanted, expected) => {
    expect(suggest(wanted, ['id', 'workspaceId', 'via', 'createdAt'])).toBe(expected);
  });
});

describe('paths', () => {
  it('survive being written and read, whatever the keys', () => {
    const path = fc.array(
      fc.oneof(fc.nat(999), fc.string({ minLength: 1 }), fc.constantFrom('rule', 'a.b', '[0]', '"')),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(path, (parts) => void expect(parsePath(formatPath(parts))).toEqual(parts)),
      { seed: 3 },
    );
    expect(formatPath(['tables', 1, 'rule', 'firstOf', 0, 'via'])).toBe('tables[1].rule.firstOf[0].via');
  });
});
