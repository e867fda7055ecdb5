import { describe, expect, it } from 'vitest';
import { differences, tally } from './bad-rows.js';
import type { BadRows } from './example.js';

const key = 'Connection_workspaceId_provider_key';
const bad = (table: string, reason: string, rows: number, constraint: string | null = null): BadRows => ({
  ...{ table, reason, constraint, rows },
});

describe('bad rows', () => {
  it('are added up per table, reason and constraint; none of a kind is no entry', () => {
    const parts = [
      bad('Connection', 'UniqueConflict', 9, key),
      bad('Insight', 'ParentMissing', 0),
      bad('Connection', 'UniqueConflict', 5, key),
      bad('Connection', 'ParentMissing', 2),
    ];
    expect([...tally(parts)]).toEqual([
      [`Connection UniqueConflict ${key}`, 14],
      ['Connection ParentMissing', 2],
    ]);
  });

  it('differ by what is listed too often, too rarely, under another reason or not at all', () => {
    const expected = tally([
      bad('Group', 'InputNull', 5),
      bad('AuditLog', 'NoMatch', 6),
      bad('Response', 'InputNull', 1),
    ]);
    const found = tally([
      bad('Group', 'InputNull', 4),
      bad('AuditLog', 'Ambiguous', 6),
      bad('Response', 'InputNull', 1),
    ]);
    expect(differences(expected, found)).toEqual([
      'AuditLog Ambiguous: 6 where 0 are expected',
      'AuditLog NoMatch: 0 where 6 are expected',
      'Group InputNull: 4 where 5 are expected',
    ]);
    expect(differences(expected, expected)).toEqual([]);
  });
});
