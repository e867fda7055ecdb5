import type { CatalogTable, Ident, SqlExpression } from '@highwater/derivation';
import { migrationId } from '@highwater/kernel';
import { describe, expect, it } from 'vitest';
import type { FillTarget } from '../target.js';
import { chunkBound, fillRows, fillRowsSupposed, judgeHints, lockChunk, rowsLeft, sampleKeys } from './statements.js';

const ident = (text: string): Ident => text as Ident;

function target(table: string, key: [name: string, type: string][]): FillTarget {
  return {
    migrationId: migrationId('m'),
    short: '0a1b2c3d',
    targetNo: 0,
    derivation: {
      table: { relid: 16_400, ident: ident(table), kind: 'r' } as CatalogTable,
      key: key.map(([name, type]) => ({ name, ident: ident(name), type })),
      target: { name: 'workspaceId', ident: ident('"workspaceId"'), type: 'text' },
      expression: 'r.org' as SqlExpression,
      reason: `case when r.org is null then 'InputNull' end` as SqlExpression,
      inputs: [],
    },
  };
}

const one = target('public.activity', [['id', 'bigint']]);
const composite = target('public."Member"', [
  ['org', 'text'],
  ['"user"', 'uuid'],
]);
const reserved = target('app."select"', [['"Order ""By"""', 'timestamp with time zone']]);
const open = { after: false, upTo: false };
const both = { after: true, upTo: true };

describe('statements over the user’s tables', () => {
  it.each([
    ['one column', one],
    ['composite', composite],
    ['quoted and reserved', reserved],
  ])('are the golden texts for a key of %s', (_, t) => {
    expect({
      bound: chunkBound(t, both, false),
      boundOpen: chunkBound(t, open, true),
      lockByCtid: lockChunk(t, both, 'ctid'),
      lockByKey: lockChunk(t, { after: true, upTo: false }, 'key'),
      fillByCtid: fillRows(t, 'ctid'),
      fillByKey: fillRows(t, 'key'),
      fillSupposed: fillRowsSupposed(t),
      left: rowsLeft(t, 'key'),
      judge: judgeHints(t),
      sample: sampleKeys(t),
    }).toMatchSnapshot();
  });

  it('write the target alone, and only where it is NULL', () => {
    for (const t of [one, composite, reserved])
      for (const naming of ['ctid', 'key'] as const) {
        const text = fillRows(t, naming);
        expect(text.match(/ set ([^=]+) = /)?.[1]).toBe('"workspaceId"');
        expect(text).toContain('t."workspaceId" is null returning');
      }
    for (const t of [one, composite, reserved]) {
      const text = fillRowsSupposed(t);
      expect(text.match(/ set ([^=]+) = /)?.[1]).toBe('"workspaceId"');
      expect(text).toContain('r."workspaceId" is null returning');
    }
  });
});
