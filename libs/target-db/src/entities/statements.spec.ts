import type { CatalogTable, CompiledEntity, Ident, SqlExpression } from '@highwater/derivation';
import { describe, expect, it } from 'vitest';
import {
  countMissing,
  judgeSources,
  makeEntities,
  makeEntity,
  sourceAlone,
  sourcesAfter,
  sourcesLeft,
} from './statements.js';

const column = (name: string, type: string, expression: string) => ({
  name,
  ident: (/^[a-z]+$/.test(name) ? name : `"${name}"`) as Ident,
  type,
  expression: expression as SqlExpression,
});
const table = (ident: string, kind: 'r' | 'p' = 'r') => ({ ident: ident as Ident, kind }) as CatalogTable;

const membership: CompiledEntity = {
  table: table('public."Membership"'),
  source: table('public."Member"'),
  sourceKey: [
    { name: 'tenant', ident: 'tenant' as Ident, type: 'uuid' },
    { name: 'No', ident: '"No"' as Ident, type: 'bigint' },
  ],
  identity: [column('spaceId', 'text', 'r."orgId"'), column('userId', 'text', 'r."userId"')],
  values: [column('role', 'public."Role"', `'OWNER'::public."Role"`)],
  createdBy: 'highwater',
  exists: 'exists (E)' as SqlExpression,
  reason: 'R' as SqlExpression,
  inputs: [],
};

describe('the statements of entities', () => {
  it('make in the order of the identities, the first source of each, if absent, and record what was made', () => {
    expect(makeEntities(membership)).toBe(
      'with source as materialized (select r.tenant as k0, r."No" as k1, (r."orgId") as c0, (r."userId") as c1, (\'OWNER\'::public."Role") as c2' +
        ' from rows from (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) as w (k0, k1)' +
        ' join only public."Member" as r on r.tenant = w.k0::uuid and r."No" = w.k1::bigint where (R) is null and not (exists (E)))' +
        ', made as (insert into public."Membership" ("spaceId", "userId", role) select d.c0, d.c1, d.c2' +
        ' from (select distinct on (s.c0, s.c1) s.* from source as s order by s.c0, s.c1, s.k0, s.k1) as d order by d.c0, d.c1' +
        ' on conflict ("spaceId", "userId") do nothing returning "spaceId"::pg_catalog.text as k0, "userId"::pg_catalog.text as k1)' +
        ', recorded as (insert into highwater.created_entity (migration_id, entity_no, key)' +
        ' select $3::pg_catalog.text, $4::pg_catalog.int4, array[m.k0, m.k1]::pg_catalog.text[] from made as m on conflict do nothing)' +
        ' select pg_catalog.count(*)::pg_catalog.int4 as made from made',
    );
  });

  it('make one of the row itself, or of the first source that a condition finds', () => {
    const ofRow = makeEntity(membership, 3, "it's", { from: '(select new.*) as r' });
    expect(ofRow).toContain(`from (select new.*) as r where (R) is null and not (exists (E))), made as`);
    expect(ofRow).toContain(`select 'it''s', 3, array[m.k0, m.k1]::pg_catalog.text[]`);
    expect(makeEntity(membership, 3, 'm', { from: 'v cross join t as r', condition: 'C' })).toContain(
      'from v cross join t as r where C and (R) is null and not (exists (E)) order by r.tenant, r."No" limit 1)',
    );
  });

  it('page by the whole key, judge visibility before looking, and read a partitioned source as one', () => {
    expect(sourcesAfter(membership, true)).toBe(
      'select r.tenant::pg_catalog.text as k0, r."No"::pg_catalog.text as k1, (exists (E)) as there from only public."Member" as r where (r.tenant, r."No") > ($1::uuid, $2::bigint) order by r.tenant, r."No" limit $3',
    );
    expect(sourceAlone(membership, false)).toMatch(/, \(false\) as there from .* limit \$1$/);
    expect(sourcesAfter({ ...membership, source: table('app.p', 'p') }, false)).toContain('from app.p as r order by');
    expect(judgeSources(membership)).toContain('from only public."Member" as r where h.visible and r.tenant = h.k0');
    expect(sourcesLeft(membership)).toContain('where not (exists (E))');
    expect(countMissing(membership)).toContain(
      'where not (exists (E)) offset 0) as r where (R) is null and not exists (',
    );
  });
});
