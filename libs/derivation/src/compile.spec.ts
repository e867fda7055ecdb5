import { type Plan, type Rule, parsePlan } from '@highwater/plan';
import { describe, expect, it } from 'vitest';
import { foreignKey, table, workspaceCatalog } from './catalog.fixture.js';
import type { Catalog, CatalogTable } from './catalog.js';
import { compilePlan } from './compile.js';
import { hasKey, placeOfRow } from './derivation.js';

const plan = (text: string): Plan => {
  const parsed = parsePlan(`highwater: 1\nmigration: m\n${text}`, (source) => source);
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues));
  return parsed.plan.plan;
};

const workspacePlan = plan(`
defaults: { target: { column: workspaceId, type: text }, references: { table: Workspace } }
tables:
  - { table: Group, rule: orgId }
  - { table: Activity, rule: { firstOf: [ { via: groupId, then: workspaceId }, { via: groupId, then: orgId } ] } }
  - { table: Response, rule: { firstOf: [ { via: activityId }, { via: groupId } ] } }
`);

function compiled(of: Plan, catalog: Catalog) {
  const result = compilePlan(of, catalog);
  if ('issues' in result) throw new Error(JSON.stringify(result.issues, null, 1));
  return result.derivations;
}

const issuesOf = (of: Plan, catalog: Catalog) => {
  const result = compilePlan(of, catalog);
  return 'issues' in result ? result.issues.map(({ code, path, message, help }) => [code, path, message, help]) : [];
};

/** One table `t` with a target `w text`, and the parents given. */
const oneTable = (
  rule: string,
  columns: Record<string, string>,
  more: Parameters<typeof table>[3] = {},
  parents: CatalogTable[] = [],
) =>
  issuesOf(plan(`tables: [ { table: t, target: { column: w, type: text }, rule: ${rule} } ]`), {
    tables: [table(1, 't', { id: 'integer!', w: 'text', ...columns }, more), ...parents],
  });

describe('the example system', () => {
  const [group, activity, response] = compiled(workspacePlan, workspaceCatalog);

  it('reads its own column', () => {
    expect(group?.expression).toBe('r."orgId"');
    expect(group?.reason).toBe(`(case when r."orgId" is null then 'InputNull'::pg_catalog.text end)`);
  });

  it('merges two choices through one foreign key into one look-up', () => {
    expect(activity?.expression).toBe(
      '(select coalesce(p1."workspaceId", p1."orgId") from only public."Group" as p1 where p1.id OPERATOR(pg_catalog.=) r."groupId")',
    );
    expect(activity?.reason).toContain(
      `when r."groupId" is null then null when not exists (select from only public."Group" as p1 where p1.id OPERATOR(pg_catalog.=) r."groupId") then 'ParentMissing'::pg_catalog.text end`,
    );
  });

  it("uses the parent's rule, not the parent's stored target, where then is left out", () => {
    expect(response?.expression).toBe(
      'coalesce((select (select coalesce(p2."workspaceId", p2."orgId") from only public."Group" as p2 where p2.id OPERATOR(pg_catalog.=) p1."groupId") ' +
        'from only public."Activity" as p1 where p1.id OPERATOR(pg_catalog.=) r."activityId"), ' +
        '(select p1."orgId" from only public."Group" as p1 where p1.id OPERATOR(pg_catalog.=) r."groupId"))',
    );
  });

  it('lists what it reads, the referenced table included', () => {
    expect(response?.inputs.map(({ ident, columns }) => [ident, columns])).toEqual([
      ['public."Workspace"', ['id']],
      ['public."Response"', ['activityId', 'groupId']],
      ['public."Activity"', ['groupId', 'id']],
      ['public."Group"', ['id', 'orgId', 'workspaceId']],
    ]);
    expect(response?.referentExists).toBe(
      'exists (select from only public."Workspace" as f where f.id OPERATOR(pg_catalog.=) v.value)',
    );
  });
});

describe('keys', () => {
  const rule = 'src';
  it('come in the order of the plan, else of the primary key', () => {
    const composite = { primaryKey: ['b', 'a'], uniqueKeys: [['b', 'a']] };
    const catalog = { tables: [table(1, 't', { a: 'text!', b: 'text!', w: 'text', src: 'text' }, composite)] };
    const of = (key: string) =>
      plan(`tables: [ { table: t, ${key} target: { column: w, type: text }, rule: ${rule} } ]`);
    expect(compiled(of(''), catalog)[0]?.key.map(({ name }) => name)).toEqual(['b', 'a']);
    expect(compiled(of('key: [a, b],'), catalog)[0]?.key.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('a table without a primary key names the way out, or goes by where its rows lie', () => {
    expect(oneTable(rule, { src: 'text', code: 'text!' }, { primaryKey: [], uniqueKeys: [['code'], ['src']] })).toEqual(
      [['HW1103', 'tables[0].key', 'table public.t has no primary key and the plan names no key', 'say key: [code]']],
    );
    const keyless = { primaryKey: [], uniqueKeys: [['src']] };
    expect(oneTable(rule, { src: 'text' }, { ...keyless, kind: 'p' })[0]?.slice(2)).toEqual([
      'table public.t has no primary key and the plan names no key; a partitioned table is not swept by blocks, of which each partition has its own',
      'add a primary key, or a unique index over not-null columns and name them with key:',
    ]);
    const catalog = { tables: [table(1, 't', { src: 'text', w: 'text' }, keyless)] };
    const of = (more: string) => plan(`${more}tables: [ { table: t, target: { column: w, type: text }, rule: src } ]`);
    expect(issuesOf(of('journal: true\n'), catalog)[0]?.[2]).toContain('the journal remembers rows by their key');
    const [keyed] = compiled(of(''), catalog);
    expect(keyed?.key).toEqual([placeOfRow]);
    expect(keyed && hasKey(keyed)).toBe(false);
  });

  it('must be unique and not null', () => {
    const of = (key: string) =>
      plan(`tables: [ { table: t, key: [${key}], target: { column: w, type: text }, rule: src } ]`);
    const catalog = {
      tables: [table(1, 't', { id: 'integer!', src: 'text', w: 'text' }, { uniqueKeys: [['id'], ['src']] })],
    };
    expect(issuesOf(of('src'), catalog)[0]?.slice(0, 3)).toEqual([
      'HW1104',
      'tables[0].key',
      'key (src) of public.t may be NULL in src',
    ]);
    expect(issuesOf(of('id, src'), catalog)[0]?.[0]).toBe('HW1104');
  });
});

describe('what is not there', () => {
  it('names the table, its columns and the likely name', () => {
    const of = plan('tables: [ { table: t, target: { column: w, type: text }, rule: Src } ]');
    const result = compilePlan(of, { tables: [table(1, 't', { id: 'integer!', w: 'text', src: 'text' })] });
    expect('issues' in result && result.issues).toEqual([
      {
        code: 'HW1102',
        path: 'tables[0].rule.column',
        message: 'column "Src" does not exist on table public.t',
        notes: ['the table has: id, w, src'],
        help: 'did you mean "src"? Names are case-sensitive here.',
      },
    ]);
    expect(issuesOf(of, { tables: [table(1, 'T', {})] })[0]?.slice(0, 2)).toEqual(['HW1101', 'tables[0].table']);
    expect(issuesOf(of, { tables: [table(1, 't', {}, { schema: 'app' })] })[0]?.[3]).toBe(
      'did you mean "app.t"? Names are case-sensitive here.',
    );
  });

  it('suggests tables that the catalog was not read for', () => {
    const of = plan('tables: [ { table: Gruop, target: { column: w, type: text }, rule: src } ]');
    const result = compilePlan(of, { tables: [] }, { tableNames: ['Group', 'app.Other'] });
    expect('issues' in result && [result.issues[0]?.notes, result.issues[0]?.help]).toEqual([
      ['tables visible to this session: Group, app.Other'],
      'did you mean "Group"? Names are case-sensitive here.',
    ]);
  });

  it('refuses a missing target unless the plan adds it, and then lets other rules read it', () => {
    const rules = `[ { table: p, rule: src }, { table: c, rule: { via: p, then: w } } ]`;
    const catalog = {
      tables: [
        table(1, 'p', { id: 'integer!', src: 'text' }),
        table(2, 'c', { id: 'integer!', p: 'integer' }, { foreignKeys: [foreignKey(['p'], 1)] }),
      ],
    };
    const of = (addColumn: boolean) =>
      plan(`defaults: { target: { column: w, type: varchar, addColumn: ${addColumn} } }\ntables: ${rules}`);
    expect(issuesOf(of(false), catalog).map(([code]) => code)).toEqual(['HW1110', 'HW1110']);
    const [, child] = compiled(of(true), catalog);
    expect(child?.target).toEqual({ name: 'w', ident: '"w"', type: 'character varying' });
    expect(child?.expression).toContain('select p1."w" from');
  });

  it('reports a mistake in a parent rule once', () => {
    const broken: Plan = {
      ...workspacePlan,
      tables: workspacePlan.tables.map((each, i) =>
        i === 0 ? { ...each, rule: { kind: 'column', column: 'org' } as Rule } : each,
      ),
    };
    expect(issuesOf(broken, workspaceCatalog).map(([code, path]) => [code, path])).toEqual([
      ['HW1102', 'tables[0].rule.column'],
    ]);
  });
});

describe('following', () => {
  const parent = table(2, 'p', { id: 'integer!', code: 'text', v: 'text' });
  it('needs a declared foreign key, or a unique key in to', () => {
    expect(oneTable('{ via: p, then: v }', { p: 'integer' }, {}, [parent])[0]?.slice(0, 2)).toEqual([
      'HW1105',
      'tables[0].rule.via',
    ]);
    expect(oneTable('{ via: p, to: p(id), then: v }', { p: 'integer' }, {}, [parent])).toEqual([]);
    expect(oneTable('{ via: p, to: p(code), then: v }', { p: 'text' }, {}, [parent])[0]?.slice(0, 2)).toEqual([
      'HW1107',
      'tables[0].rule.to',
    ]);
    expect(oneTable('{ via: p, to: p(id), then: v }', { p: 'text' }, {}, [parent])[0]?.[2]).toBe(
      '"p" is text, "id" of public.p is integer: they do not compare',
    );
  });

  it('says which of several foreign keys', () => {
    const keys = { foreignKeys: [foreignKey(['p'], 2), { ...foreignKey(['p'], 3), name: 'other' }] };
    expect(oneTable('{ via: p, then: v }', { p: 'integer' }, keys, [parent])[0]?.slice(0, 2)).toEqual([
      'HW1106',
      'tables[0].rule.via',
    ]);
  });

  it('pairs the columns of a composite key by the constraint, whatever their order in the plan', () => {
    const pair = table(2, 'p', { a: 'text!', b: 'text!', v: 'text' }, { primaryKey: ['a', 'b'] });
    const child = table(
      1,
      't',
      { id: 'integer!', x: 'text', y: 'text', w: 'text' },
      { foreignKeys: [foreignKey(['x', 'y'], 2, ['a', 'b'])] },
    );
    const [derivation] = compiled(
      plan('tables: [ { table: t, target: { column: w, type: text }, rule: { via: [y, x], then: v } } ]'),
      { tables: [child, pair] },
    );
    expect(derivation?.expression).toContain('p1.a OPERATOR(pg_catalog.=) r.x and p1.b OPERATOR(pg_catalog.=) r.y');
  });

  it('without then needs an entry for the parent, and no circle', () => {
    const keys = { foreignKeys: [foreignKey(['p'], 2)] };
    expect(oneTable('{ via: p }', { p: 'integer' }, keys, [parent])[0]?.slice(0, 2)).toEqual([
      'HW1112',
      'tables[0].rule.via',
    ]);
    const self = { foreignKeys: [foreignKey(['up'], 1)] };
    expect(oneTable('{ firstOf: [ { via: up }, src ] }', { up: 'integer', src: 'text' }, self)[0]?.slice(0, 2)).toEqual(
      ['HW1113', 'tables[0].rule.firstOf[0].via'],
    );
    expect(oneTable('{ firstOf: [ { via: up, then: w }, src ] }', { up: 'integer', src: 'text' }, self)).toEqual([]);
  });

  it('refuses a key type whose equality is not known, and uses the one that is', () => {
    const keys = { foreignKeys: [foreignKey(['p'], 2)] };
    const odd = table(2, 'p', { id: 'public.citext!', v: 'text' });
    expect(oneTable('{ via: p, then: v }', { p: 'public.citext' }, keys, [odd])[0]?.[0]).toBe('HW1118');
    const columns = new Map(
      [...odd.columns].map(([name, column]) => [name, { ...column, equality: 'OPERATOR(public.=)' }]),
    );
    expect(oneTable('{ via: p, then: v }', { p: 'public.citext' }, keys, [{ ...odd, columns }])).toEqual([]);
  });

  it('stops before the SQL grows out of hand', () => {
    const tables = Array.from({ length: 10 }, (_, i) =>
      table(
        i + 1,
        `t${i}`,
        { id: 'integer!', a: 'integer', b: 'integer', src: 'text', w: 'text' },
        { foreignKeys: [foreignKey(['a'], i + 2), foreignKey(['b'], i + 2)] },
      ),
    );
    const entries = tables.map(
      (each, i) => `{ table: ${each.name}, rule: ${i === 9 ? 'src' : '{ firstOf: [ { via: a }, { via: b } ] }'} }`,
    );
    const of = plan(`defaults: { target: { column: w, type: text } }\ntables: [ ${entries.join(', ')} ]`);
    expect(issuesOf(of, { tables }).map(([code]) => code)).toContain('HW1114');
  });
});

describe('a rule as joins', () => {
  const [group, activity, response] = compiled(workspacePlan, workspaceCatalog);
  const parent = table(2, 'p', { id: 'integer!', v: 'text', g: 'integer' }, { foreignKeys: [foreignKey(['g'], 3)] });
  const grand = table(3, 'g', { id: 'integer!', v: 'text' });
  const joinOf = (rule: string, p = parent) =>
    compiled(plan(`tables: [ { table: t, target: { column: w, type: text }, rule: ${rule} } ]`), {
      tables: [
        table(1, 't', { id: 'integer!', w: 'text', p: 'integer' }, { foreignKeys: [foreignKey(['p'], 2)] }),
        p,
        grand,
      ],
    })[0]?.join;

  it('is given when it begins with one via', () => {
    expect(group?.join).toBeUndefined();
    expect(activity?.join).toEqual({
      from: 'only public."Group" as j1',
      on: 'j1.id OPERATOR(pg_catalog.=) r."groupId"',
      value: 'coalesce(j1."workspaceId", j1."orgId")',
    });
    expect(response?.join).toBeUndefined();
  });

  it('joins further parents from outside, and looks up where a missing parent would show', () => {
    expect(joinOf('{ via: p, then: { firstOf: [ v, { via: g, then: v } ] } }')).toEqual({
      from: 'only public.p as j1 left join only public.g as j2 on j2.id OPERATOR(pg_catalog.=) j1.g',
      on: 'j1.id OPERATOR(pg_catalog.=) r.p',
      value: 'coalesce(j1.v, j2.v)',
    });
    expect(joinOf('{ via: p, then: { via: g, then: { constant: x } } }')).toMatchObject({
      from: 'only public.p as j1',
      value: `(select 'x'::pg_catalog.text from only public.g as p1 where p1.id OPERATOR(pg_catalog.=) j1.g)`,
    });
  });

  it("is not given over a key that a collation of the user's own compares: the index may count as two what = counts as one", () => {
    const keyed = (collation: string) => {
      const columns = new Map([...parent.columns].map(([name, column]) => [name, name === 'id' ? { ...column, collation } : column])); // prettier-ignore
      return joinOf('{ via: p, then: v }', { ...parent, columns: columns as typeof parent.columns });
    };
    expect(keyed('pg_catalog."default"')).toBeDefined();
    expect(keyed('public.case_insensitive')).toBeUndefined();
  });
});

describe('values', () => {
  it('must fit the target without loss', () => {
    expect(oneTable('src', { src: 'uuid' })[0]?.slice(0, 3)).toEqual([
      'HW1108',
      'tables[0].rule.column',
      'column "src" of public.t is uuid; target "w" is text, which does not keep every such value',
    ]);
    expect(oneTable('src', { src: 'character varying(20)' })).toEqual([]);
  });

  it('refuses a target of another type, a generated one, and a rule over generated or own columns', () => {
    const of = plan('tables: [ { table: t, target: { column: w, type: text }, rule: src } ]');
    const having = (w: string, src = 'text') =>
      issuesOf(of, { tables: [table(1, 't', { id: 'integer!', w, src })] })[0]?.[0];
    expect(having('uuid')).toBe('HW1109');
    expect(having('text*')).toBe('HW1111');
    expect(having('text', 'text*')).toBe('HW1111');
    expect(oneTable('w', {})[0]?.[0]).toBe('HW1115');
  });

  it('quotes a constant as the server would and gives it the type of the target', () => {
    const of = plan(`tables: [ { table: t, target: { column: w, type: text }, rule: { constant: "it's \\\\ x" } } ]`);
    const [derivation] = compiled(of, { tables: [table(1, 't', { id: 'integer!', w: 'text' })] });
    expect(derivation?.expression).toBe(String.raw`E'it''s \\ x'::pg_catalog.text`);
    const narrow = plan(`tables: [ { table: t, target: { column: w, type: varchar(3) }, rule: { constant: long } } ]`);
    expect(issuesOf(narrow, { tables: [table(1, 't', { id: 'integer!', w: 'character varying(3)' })] })[0]?.[0]).toBe(
      'HW1116',
    );
  });

  it('refuses to reference a table without a single-column key that compares', () => {
    const of = plan(
      'tables: [ { table: t, target: { column: w, type: text }, references: { table: ws }, rule: src } ]',
    );
    const ws = table(2, 'ws', { id: 'integer!' });
    expect(
      issuesOf(of, { tables: [table(1, 't', { id: 'integer!', w: 'text', src: 'text' }), ws] })[0]?.slice(0, 2),
    ).toEqual(['HW1117', 'tables[0].references']);
  });
});
