import { describe, expect, it } from 'vitest';
import { catalogDifferences } from './catalog-snapshot.js';

describe('differences of two catalogs', () => {
  it('name what came, what went and what changed', () => {
    const before = new Map([
      ['column projects.id', 'text'],
      ['column projects.name', 'text not null f'],
      ['index projects_pkey', 'create unique index'],
    ]);
    const after = new Map([
      ['column projects.id', 'text'],
      ['column projects.name', 'text not null t'],
      ['trigger ~hw on projects', 'create trigger'],
    ]);
    expect(catalogDifferences(before, after)).toEqual([
      'column projects.name was text not null f and is text not null t',
      'index projects_pkey is gone: create unique index',
      'trigger ~hw on projects is there and was not: create trigger',
    ]);
    expect(catalogDifferences(before, before)).toEqual([]);
  });
});
