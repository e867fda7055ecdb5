import type { CatalogTable, Ident, SqlExpression } from '@highwater/derivation';
import { migrationId } from '@highwater/kernel';
import { describe, expect, it } from 'vitest';
import type { FillTarget } from '../target.js';
import { placeConditions, type ChunkPlace } from '../sweep/place.js';
import { fillJoined, fillSupposed, leftInPlace } from './one-snapshot.js';
import { chunkBound, fillRows, judgeHints, lockChunk, rowsLeft, sampleKeys } from './statements.js';

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
      branches: { expression: `0` as SqlExpression, labels: ['orgId'] },
      inputs: [],
      join: {
        from: 'only public."Group" as j1' as SqlExpression,
        on: 'j1.id OPERATOR(pg_catalog.=) r.grp' as SqlExpression,
        value: 'j1.org' as SqlExpression,
      },
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
const keys: ChunkPlace = { walk: 'keys', after: ['1', '2'], upTo: ['3', '4'] };
const behind: ChunkPlace = { walk: 'keys', after: ['1', '2'], upTo: null };
const blocks: ChunkPlace = { walk: 'blocks', from: 7, to: 12, window: { from: 90, width: 133 } };
const insideBlocks: ChunkPlace = { walk: 'blocks', from: 7, to: 12, afterKey: ['1', '2'] };
const at = (t: FillTarget, place: ChunkPlace) => placeConditions(t, place).conditions;

describe('statements over the user’s tables', () => {
  it.each([
    ['one column', one],
    ['composite', composite],
    ['quoted and reserved', reserved],
  ])('are the golden texts for a key of %s', (_, t) => {
    expect({
      bound: chunkBound(t, both, false),
      boundOpen: chunkBound(t, open, true),
      lockByCtid: lockChunk(t, at(t, keys), 'ctid'),
      lockBlocks: lockChunk(t, at(t, blocks), 'ctid'),
      lockOne: lockChunk(t, at(t, insideBlocks), 'key', 1),
      lockByKey: lockChunk(t, at(t, behind), 'key'),
      fillByCtid: fillRows(t, 'ctid'),
      fillByKey: fillRows(t, 'key'),
      fillSupposed: fillSupposed(t, 'key', at(t, keys)),
      fillJoined: fillJoined(t, 'ctid', at(t, blocks)),
      leftInPlace: leftInPlace(t, 'ctid', at(t, insideBlocks)),
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
      const supposed = fillSupposed(t, 'key', at(t, keys));
      expect(supposed.match(/ set ([^=]+) = /)?.[1]).toBe('"workspaceId"');
      expect(supposed).toContain('r."workspaceId" is null returning');
      const joined = fillJoined(t, 'ctid', at(t, blocks));
      expect(joined.match(/ set ([^=]+) = /)?.[1]).toBe('"workspaceId"');
      expect(joined).toContain('case when r."workspaceId" is null then true end and j1.org is not null');
    }
  });
});
