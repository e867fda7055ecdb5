import { type Plan, parsePlan } from '@highwater/plan';
import { describe, expect, it } from 'vitest';
import { foreignKey, table } from './catalog.fixture.js';
import type { Catalog, CatalogTable } from './catalog.js';
import { compilePlan } from './compile.js';

const plan = (entities: string, tables: string): Plan => {
  const parsed = parsePlan(
    `highwater: 1\nmigration: m\ndefaults: { target: { column: workspaceId, type: text } }\nentities:\n${entities}\ntables:\n${tables}\n`,
    (source) => source,
  );
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues));
  return parsed.plan.plan;
};

function withDefaults(of: CatalogTable, ...names: string[]): CatalogTable {
  const columns = [...of.columns].map(([name, column]) =>
    names.includes(name) ? ([name, { ...column, hasDefault: true }] as const) : ([name, column] as const),
  );
  return { ...of, columns: new Map(columns) };
}

const catalog: Catalog = {
  tables: [
    table(1, 'Organization', { id: 'text!', name: 'text', tier: 'text' }),
    table(2, 'OrgMember', { id: 'text!', orgId: 'text!', userId: 'text!', role: 'text' }),
    withDefaults(
      table(
        3,
        'Workspace',
        { id: 'text!', name: 'text!', slug: 'text!', createdAt: 'timestamp with time zone!', at: 'timestamp(3) without time zone', said: 'text', size: 'integer', sum: 'integer*' },
        { uniqueKeys: [['id'], ['slug']] },
      ),
      'createdAt',
    ), // prettier-ignore
    table(
      4,
      'Membership',
      { id: 'text!', workspaceId: 'text!', userId: 'text!', role: 'text' },
      { uniqueKeys: [['id'], ['userId', 'workspaceId']], foreignKeys: [foreignKey(['workspaceId'], 3)] },
    ),
    table(5, 'Group', { id: 'text!', orgId: 'text', workspaceId: 'text' }),
    table(6, 'Activity', { id: 'text!', groupId: 'text', workspaceId: 'text' }, { foreignKeys: [foreignKey(['groupId'], 5), foreignKey(['workspaceId'], 3)] }), // prettier-ignore
    table(7, 'Keyless', { orgId: 'text' }, { primaryKey: [], uniqueKeys: [] }),
  ],
};

const group = '  - { table: Group, rule: orgId, references: { table: Workspace } }';
const workspace = `  - { table: Workspace, from: Organization, key: { id: id }, values: { name: name, slug: { template: "org-{id|hash:8}" }, at: { now: true }, said: { now: true } } }`;
const membership = `  - { table: Membership, from: OrgMember, key: { workspaceId: orgId, userId: userId }, values: { id: { template: "wm-{id}" }, role: role } }`;

function compiled(entities: string, tables = group) {
  const result = compilePlan(plan(entities, tables), catalog);
  if ('issues' in result) throw new Error(JSON.stringify(result.issues, null, 1));
  return result;
}

const issuesOf = (entities: string, tables = group) => {
  const result = compilePlan(plan(entities, tables), catalog);
  return 'issues' in result ? result.issues.map(({ code, path, message }) => `${code} ${path} ${message}`) : [];
};

describe('an entity', () => {
  const { entities } = compiled(`${workspace}\n${membership}`);

  it('is expressions over its source row, the moment of creation without the session having a say', () => {
    const [first] = entities;
    expect(first?.identity).toEqual([{ name: 'id', ident: 'id', type: 'text', expression: 'r.id', plain: 'id' }]);
    expect(first?.values.map(({ name, expression }) => [name, expression])).toEqual([
      ['name', 'r.name'],
      ['slug', `('org-'::pg_catalog.text OPERATOR(pg_catalog.||) pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(r.id::pg_catalog.text, 'UTF8')), 'hex'), 8))`],
      ['at', `pg_catalog.timezone('UTC', pg_catalog.now())::timestamp(3) without time zone`],
      ['said', `pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.now()), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')::pg_catalog.text`],
    ]); // prettier-ignore
    expect(first?.sourceKey.map(({ name }) => name)).toEqual(['id']);
    expect(first?.createdBy).toBe('highwater');
    expect(entities[1]?.exists).toBe(
      'exists (select from only public."Membership" as x where x."workspaceId" OPERATOR(pg_catalog.=) (r."orgId") and x."userId" OPERATOR(pg_catalog.=) (r."userId"))',
    );
  });

  it('cannot be made where its identity or a column that takes no NULL has no value', () => {
    expect(entities[1]?.reason).toBe(
      `coalesce((case when r."orgId" is null then 'InputNull'::pg_catalog.text end), (case when r."userId" is null then 'InputNull'::pg_catalog.text end), ` +
        `(case when ('wm-'::pg_catalog.text OPERATOR(pg_catalog.||) r.id::pg_catalog.text) is null then 'InputNull'::pg_catalog.text end))`,
    );
  });

  it('reads of its source what its rules name, and the key', () => {
    expect(entities[1]?.inputs.map(({ ident, columns }) => [ident, columns])).toEqual([
      ['public."OrgMember"', ['id', 'orgId', 'role', 'userId']],
    ]);
  });

  it('may read a column of the name it writes, and take the own rule of a parent', () => {
    const from = `  - { table: Workspace, from: Activity, key: { id: { via: groupId } }, values: { name: id, slug: workspaceId }, createdBy: application }`;
    expect(compiled(from).entities[0]?.identity[0]?.expression).toBe(
      '(select p1."orgId" from only public."Group" as p1 where p1.id OPERATOR(pg_catalog.=) r."groupId")',
    );
  });
});

describe('what leads to an entity', () => {
  it('has a value only where the entity is, else the reason EntityMissing, the same for every reader', () => {
    const [derivation] = compiled(workspace).derivations;
    expect(derivation?.expression).toBe(
      '(select v.value from (select r."orgId" as value offset 0) as v where exists (select from only public."Workspace" as f where f.id OPERATOR(pg_catalog.=) v.value))',
    );
    expect(derivation?.reason).toBe(
      `(select case when v.value is null then 'InputNull'::pg_catalog.text when not (exists (select from only public."Workspace" as f where f.id OPERATOR(pg_catalog.=) v.value)) then 'EntityMissing'::pg_catalog.text end from (select r."orgId" as value offset 0) as v)`,
    );
    expect(derivation?.join).toEqual({
      from: 'only public."Workspace" as e',
      on: 'e.id OPERATOR(pg_catalog.=) r."orgId"',
      value: 'r."orgId"',
    });
    expect(derivation?.referentExists).toBeUndefined();
    expect(derivation?.branches.expression).toBe(`case when ${derivation?.expression ?? ''} is not null then 0 end`);
  });

  it('is found through a declared foreign key as well, and joined after the rule', () => {
    const { derivations } = compiled(workspace, `${group}\n  - { table: Activity, rule: { via: groupId } }`);
    expect(derivations[1]?.join).toEqual({
      from: 'only public."Group" as j1, only public."Workspace" as e',
      on: 'j1.id OPERATOR(pg_catalog.=) r."groupId" and e.id OPERATOR(pg_catalog.=) j1."orgId"',
      value: 'j1."orgId"',
    });
    // the parent's rule, not the parent's guard: the child asks for its own entity
    expect(derivations[1]?.expression).toBe(
      '(select v.value from (select (select p1."orgId" from only public."Group" as p1 where p1.id OPERATOR(pg_catalog.=) r."groupId") as value offset 0) as v ' +
        'where exists (select from only public."Workspace" as f where f.id OPERATOR(pg_catalog.=) v.value))',
    );
  });

  it('says where the source of a missing one is found: the row itself, or the one that the value names', () => {
    const fromGroup = `  - { table: Workspace, from: Group, key: { id: orgId }, values: { name: id, slug: id } }`;
    const templated = workspace.replace('key: { id: id }', 'key: { id: { template: "w-{id}" } }');
    const [derivation] = compiled(`${workspace}\n${fromGroup}\n${templated}`).derivations;
    expect(derivation?.entities?.map(({ entityNo, source }) => [entityNo, source])).toEqual([
      [0, 'r.id OPERATOR(pg_catalog.=) v.value'],
      [1, 'row'],
      [2, undefined],
    ]);
    expect(derivation?.unguarded).toBe('r."orgId"');
    expect(derivation?.searches).toEqual([{ relid: 1, ident: 'public."Organization"', columns: ['id'] }]);
    const waited = `${workspace.slice(0, -2)}, createdBy: application }`;
    expect(compiled(waited).derivations[0]?.entities).toBeUndefined();
  });

  it('brings the earlier one that it is made from, which nobody else has made yet in the transaction of the first source', () => {
    const referred = (key: string) =>
      compiled(
        `  - { table: Organization, from: OrgMember, key: { id: ${key} } }\n${workspace}`,
      ).derivations[0]?.entities?.map(({ entityNo, source }) => [entityNo, source]);
    const found = [1, 'r.id OPERATOR(pg_catalog.=) v.value'];
    expect(referred('orgId')).toEqual([[0, 'r."orgId" OPERATOR(pg_catalog.=) v.value'], found]);
    expect(referred('{ template: "o-{orgId}" }')).toEqual([[0, undefined], found]);
  });

  it('stays what it was in a plan without entities', () => {
    const without = { ...plan(workspace, group), entities: [] };
    const result = compilePlan(without, catalog);
    if ('issues' in result) throw new Error('issues');
    expect(result.derivations[0]?.expression).toBe('r."orgId"');
    expect(result.derivations[0]?.referentExists).toContain('public."Workspace" as f');
  });
});

describe('what stands against an entity', () => {
  it.each([
    ['no such table', '  - { table: Workspaces, from: Organization, key: { id: id } }', 'HW1101 entities[0].table'],
    ['no such source', '  - { table: Workspace, from: Org, key: { id: id }, createdBy: application }', 'HW1101 entities[0].from'],
    ['no such column', '  - { table: Workspace, from: Organization, key: { di: id }, createdBy: application }', 'HW1102 entities[0].key.di'],
    ['no such column of the source', '  - { table: Workspace, from: Organization, key: { id: uid }, createdBy: application }', 'HW1102 entities[0].key.id.column'],
    ['no unique index', '  - { table: Membership, from: OrgMember, key: { userId: userId }, createdBy: application }', 'HW1124 entities[0].key no valid, unconditional, immediate unique index of public.Membership is over exactly (userId)'],
    ['a column without a value', '  - { table: Workspace, from: Organization, key: { id: id }, values: { slug: id } }', 'HW1125 entities[0].values column "name" of public.Workspace takes no NULL'],
    ['a generated column', workspace.replace('said: ', 'sum: '), 'HW1111 entities[0].values.sum'],
    ['a moment for a number', workspace.replace('said: ', 'size: '), 'HW1108 entities[0].values.size column "size" is integer; the moment'],
    ['a wider type', workspace.replace('said: { now: true }', 'size: tier'), 'HW1108 entities[0].values.size.column'],
    ['a source without a key', '  - { table: Workspace, from: Keyless, key: { id: orgId }, createdBy: application }', 'HW1103 entities[0].from'],
    ['an index over nothing', workspace.replace(' }$', '').replace('at: {', 'at: {').replace(/ \}$/, ', indexes: { i: [nothing] } }'), 'HW1102 entities[0].indexes.i[0]'],
  ])('%s', (_what, entities, expected) => {
    expect(issuesOf(entities)[0]?.slice(0, expected.length)).toBe(expected);
  }); // prettier-ignore

  it('asks for no values where the application makes the rows', () => {
    expect(issuesOf('  - { table: Workspace, from: Organization, key: { id: id }, createdBy: application }')).toEqual(
      [],
    );
  });
});
