import { describe, expect, it } from 'vitest';
import { publicationStatement, type FillTarget } from '@highwater/target-db';
import { publishedTables, type HintSource } from './published-tables.js';

const named = (name: string): { name: string; ident: string; type: string } => ({ name, ident: name, type: 'text' });
/** `mood` is of a type of the application's own, `folded` of a collation of its own. */
const columns = new Map([
  ...['a', 'b'].map((name) => [name, { typeOid: 25, collation: 'pg_catalog."default"' }] as const),
  ['mood', { typeOid: 20_000 }],
  ['folded', { typeOid: 25, collation: 'public.any_case' }],
]);
const table = (relid: number, name: string): object => ({
  relid,
  schema: 'public',
  name,
  ident: `public.${name}`,
  columns,
});
const target = (relid: number, name: string, column: string, key = ['id']): FillTarget =>
  ({ derivation: { table: table(relid, name), key: key.map(named), target: named(column) } }) as unknown as FillTarget;
const source = (relid: number, name: string, key = ['id']): HintSource =>
  ({ source: table(relid, name), sourceKey: key.map(named) }) as unknown as HintSource;

describe('the tables of a publication', () => {
  it('have one entry each: of targets those rows alone that have a NULL, of sources of entities every row', () => {
    const tables = publishedTables(
      [target(1, 'act', 'a'), target(1, 'act', 'b'), target(2, 'team', 'a')],
      [source(3, 'org'), source(2, 'team'), source(2, 'team')],
    );
    expect(publicationStatement('p', tables)).toBe(
      `create publication "p" for table public.act (id) where (a is null or b is null), public.team (id), public.org (id) with (publish = 'insert', publish_via_partition_root = true)`,
    );
  });

  it.each(['mood', 'folded'])(
    'have no filter where it would hold a type or collation that is not built in (%s), not over the rest either',
    (column) => {
      const tables = publishedTables([target(1, 'act', 'a'), target(1, 'act', column), target(2, 'team', 'a')], []);
      expect(tables.map(({ targets }) => targets)).toEqual([[], ['a']]);
    },
  );

  it('list the columns of both keys where a target and a source of one table are told by different ones', () => {
    const [entry] = publishedTables([target(1, 'member', 'a', ['id'])], [source(1, 'member', ['org', 'id'])]);
    expect(entry?.key).toEqual(['id', 'org']);
  });
});
