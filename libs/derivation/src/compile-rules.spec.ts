import { type Plan, parsePlan } from '@highwater/plan';
import { describe, expect, it } from 'vitest';
import { table } from './catalog.fixture.js';
import type { Catalog, CatalogFunction, Ident } from './catalog.js';
import { compilePlan } from './compile.js';
import { isAmong } from './resolve-function.js';

const plan = (rule: string, type = 'text'): Plan => {
  const text = `{ highwater: 1, migration: m, tables: [ { table: t, target: { column: w, type: "${type}" }, rule: ${rule} } ] }`;
  const parsed = parsePlan(text, (source) => source);
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues));
  return parsed.plan.plan;
};

const tenantOf: CatalogFunction = {
  oid: 900,
  schema: 'app',
  name: 'tenant_of',
  ident: 'app.tenant_of' as Ident,
  arguments: [{ type: 'uuid', typeOid: 2950 }],
  returns: { type: 'text', typeOid: 25 },
  kind: 'f',
  volatility: 's',
  returnsSet: false,
  variadic: false,
  securityDefiner: false,
  allowed: true,
  definition: 'x',
};

const catalogOf = (w: string, functions: readonly CatalogFunction[] = []): Catalog => ({
  tables: [
    table(1, 't', {
      id: 'integer!',
      w,
      actor: 'text',
      n: 'bigint',
      at: 'timestamp with time zone',
      u: 'uuid',
      made: 'text*',
    }),
    table(2, 'm', {
      id: 'text!',
      actor: 'text',
      ws: 'text',
      since: 'timestamp with time zone',
      doc: 'json',
      n: 'integer',
    }),
    table(3, 'keyless', { actor: 'text', ws: 'text' }, { primaryKey: [] }),
  ],
  functions,
});

interface Given {
  readonly type?: string;
  readonly functions?: readonly CatalogFunction[];
  readonly allowed?: readonly string[];
}

function compiled(rule: string, { type = 'text', functions = [], allowed = [] }: Given = {}) {
  const there = functions.map((each) => ({ ...each, allowed: isAmong(each, allowed) }));
  const result = compilePlan(plan(rule, type), catalogOf(type, there));
  if ('issues' in result) throw new Error(JSON.stringify(result.issues, null, 1));
  const [derivation] = result.derivations;
  if (derivation === undefined) throw new Error('nothing compiled');
  return derivation;
}

/** `code path message` of each issue. */
function issuesOf(rule: string, { type = 'text', functions = [], allowed = [] }: Given = {}): string[] {
  const there = functions.map((each) => ({ ...each, allowed: isAmong(each, allowed) }));
  const result = compilePlan(plan(rule, type), catalogOf(type, there));
  return 'issues' in result ? result.issues.map(({ code, path, message }) => `${code} ${path} ${message}`) : [];
}

describe('lookup', () => {
  it('asks whether all rows agree, and takes two distinct values for enough to know', () => {
    const { expression, reason, inputs } = compiled('{ lookup: m, where: { actor: actor }, take: ws, pick: single }');
    expect(expression).toBe(
      '(select d1.value from (select s1.value, pg_catalog.count(*) over () as n from (select distinct on (v1.value) v1.value ' +
        'from public.m as p1 cross join lateral (select p1.ws collate pg_catalog."default" as value) as v1 where p1.actor OPERATOR(pg_catalog.=) r.actor and v1.value is not null ' +
        'order by v1.value, v1.value::pg_catalog.text collate pg_catalog."C" limit 2) as s1) as d1 where d1.n OPERATOR(pg_catalog.=) 1)',
    );
    for (const word of ["'InputNull'", "'NoMatch'", "'Ambiguous'"]) expect(reason).toContain(word);
    expect(inputs.map(({ ident, columns }) => [ident, columns])).toEqual([
      ['public.t', ['actor']],
      ['public.m', ['actor', 'ws']],
    ]);
  });

  it('breaks ties of an order by the key, and reads constants, order and key', () => {
    const { expression, reason, inputs } = compiled(
      '{ lookup: m, where: { actor: actor, n: { constant: 3 } }, take: ws, pick: { first: { by: since, order: desc } } }',
    );
    expect(expression).toContain("p1.n OPERATOR(pg_catalog.=) '3'::integer");
    expect(expression).toContain('order by p1.since desc nulls last, p1.id limit 1)');
    expect(reason).not.toContain("'Ambiguous'");
    expect(inputs[1]?.columns).toEqual(['actor', 'id', 'n', 'since', 'ws']);
  });

  it.each([
    ['what is not there', 'HW1101 tables[0].rule.lookup', '{ lookup: M, where: { a: actor }, take: ws, pick: single }'],
    ['their column', 'HW1102 tables[0].rule.where.aktor', '{ lookup: m, where: { aktor: actor }, take: ws, pick: single }'],
    ['our column', 'HW1102 tables[0].rule.where.actor', '{ lookup: m, where: { actor: aktor }, take: ws, pick: single }'],
    ['what is taken', 'HW1102 tables[0].rule.take', '{ lookup: m, where: { actor: actor }, take: wz, pick: single }'],
    ['what does not fit', 'HW1108 tables[0].rule.take', '{ lookup: m, where: { actor: actor }, take: n, pick: single }'],
    ['types that do not compare', 'HW1122 tables[0].rule.where.actor', '{ lookup: m, where: { actor: u }, take: ws, pick: single }'],
    ['a type without equality', 'HW1122 tables[0].rule.where.doc', '{ lookup: m, where: { doc: { constant: 1 }, actor: actor }, take: ws, pick: single }'],
    ['a type without order', 'HW1122 tables[0].rule.pick.first.by', '{ lookup: m, where: { actor: actor }, take: ws, pick: { first: { by: doc } } }'],
    ['an order without ties broken', 'HW1123 tables[0].rule.pick.first.by', '{ lookup: keyless, where: { actor: actor }, take: ws, pick: { first: { by: ws } } }'],
    ['the target', 'HW1115 tables[0].rule.where.actor', '{ lookup: m, where: { actor: w }, take: ws, pick: single }'],
    ['a generated column', 'HW1111 tables[0].rule.where.actor', '{ lookup: m, where: { actor: made }, take: ws, pick: single }'],
  ])('refuses %s', (_what, expected, rule) => {
    expect(issuesOf(rule).map((issue) => issue.slice(0, expected.length))).toEqual([expected]);
  }); // prettier-ignore
});

describe('template', () => {
  it('is text of the row, typed as the target', () => {
    expect(compiled('{ template: "o\'-{n}" }').expression).toBe(
      "('o''-'::pg_catalog.text OPERATOR(pg_catalog.||) r.n::pg_catalog.text)",
    );
    expect(compiled('{ template: "{u}" }', { type: 'character varying(36)' }).expression).toBe(
      '(r.u::pg_catalog.text)::character varying(36)',
    );
    expect(compiled('{ template: "{n}" }').inputs.map(({ columns }) => columns)).toEqual([['n']]);
  });

  it.each([
    ['text that would be cut', 'HW1108 tables[0].rule.template the template makes texts of any length', '"x{actor}"', 'character varying(9)'],
    ['text that might be cut', 'HW1108 tables[0].rule.template the template makes texts of up to 23', '"x: {n}"', 'character varying(9)'],
    ['text for another type', 'HW1108 tables[0].rule.template a template makes text; target "w" is uuid', '"{u}"', 'uuid'],
    ['what a session would write otherwise', 'HW1108 tables[0].rule.template column "at" of public.t is timestamp', '"{at}"', 'text'],
    ['what is not there', 'HW1102 tables[0].rule.template', '"{aktor}"', 'text'],
    ['the target', 'HW1115 tables[0].rule.template', '"{w}"', 'text'],
  ])('refuses %s', (_what, expected, template, type) => {
    expect(issuesOf(`{ template: ${template} }`, { type }).map((issue) => issue.slice(0, expected.length))).toEqual([expected]);
    expect(compiled('{ template: "{actor|hash:8}" }', { type: 'character varying(9)' }).expression).toContain('sha256');
  }); // prettier-ignore
});

describe('map', () => {
  it('finds the text of a value of any kind and gives constants of the target', () => {
    expect(compiled('{ map: n, values: { 1: one, 2: "it\'s" } }').expression).toBe(
      "(array['one'::pg_catalog.text, 'it''s'::pg_catalog.text])[pg_catalog.array_position(array['1', '2']::pg_catalog.text[], (r.n::pg_catalog.text) collate pg_catalog.\"C\")]",
    );
    expect(compiled('{ map: n, values: { 1: 5 } }', { type: 'bigint' }).expression).toContain("array['5'::bigint]");
    expect(compiled('{ map: n, values: { 1: 5 } }').reason).toContain("'NotMapped'");
  });

  it('refuses what would be cut and what has no text of its own', () => {
    expect(issuesOf('{ map: n, values: { 1: long } }', { type: 'character varying(3)' })).toEqual([
      'HW1116 tables[0].rule.values["1"] the constant is 4 characters long; character varying(3) keeps 3',
    ]);
    expect(issuesOf('{ map: at, values: { 1: a } }')[0]).toContain("HW1108 tables[0].rule.map.column column \"at\" of public.t is timestamp with time zone, whose text depends on a session's settings");
    expect(issuesOf('{ map: n, values: { 1: a } }', { type: 'text[]' })[0]).toContain('HW1108 tables[0].rule.map');
  }); // prettier-ignore
});

describe('function', () => {
  const rule = '{ function: app.tenant_of, arguments: [u] }';
  const functions = [tenantOf];

  it('is called by its qualified name with exactly its types', () => {
    const { expression, reason, functions: called } = compiled(rule, { functions, allowed: ['app.tenant_of(uuid)'] });
    expect(expression).toBe('app.tenant_of(r.u)');
    expect(reason).toBe(
      "(case when app.tenant_of(r.u) is null then coalesce(case when r.u is null then null else 'FunctionFailed'::pg_catalog.text end, 'InputNull'::pg_catalog.text) end)",
    );
    expect(called).toEqual([tenantOf]);
  });

  it.each([
    ['one that is not allowed', 'HW1119 tables[0].rule.function', functions, ['app.tenant_of(text)', 'other.tenant_of'], rule],
    ['one that is not there', 'HW1120 tables[0].rule.function', [], ['app.tenant_of'], rule],
    ['another number of arguments', 'HW1120 tables[0].rule.function', functions, ['app.tenant_of'], '{ function: app.tenant_of }'],
    ['an argument of another type', 'HW1108 tables[0].rule.arguments[0].column', functions, ['app.tenant_of'], '{ function: app.tenant_of, arguments: [actor] }'],
    ['several of that name', 'HW1120 tables[0].rule.function several functions', [tenantOf, { ...tenantOf, arguments: [{ type: 'text', typeOid: 25 }] }], ['app.tenant_of'], rule],
    ['a volatile one', 'HW1121 tables[0].rule.function', [{ ...tenantOf, volatility: 'v' }], ['app.tenant_of'], rule],
    ['SECURITY DEFINER', 'HW1121 tables[0].rule.function', [{ ...tenantOf, securityDefiner: true }], ['app.tenant_of'], rule],
    ['a set', 'HW1121 tables[0].rule.function', [{ ...tenantOf, returnsSet: true }], ['app.tenant_of'], rule],
    ['a procedure', 'HW1121 tables[0].rule.function', [{ ...tenantOf, kind: 'p' }], ['app.tenant_of'], rule],
    ['a value that does not fit', 'HW1108 tables[0].rule.function', [{ ...tenantOf, returns: { type: 'uuid', typeOid: 2950 } }], ['app.tenant_of'], rule],
    ['a table it says it reads', 'HW1101 tables[0].rule.reads', functions, ['app.tenant_of'], '{ function: app.tenant_of, arguments: [u], reads: { X: [id] } }'],
  ])('refuses %s', (_what, expected, there, allowed, text) => {
    expect(issuesOf(text, { functions: there, allowed }).map((issue) => issue.slice(0, expected.length))).toEqual([expected]);
  }); // prettier-ignore

  it('tells which of several is meant by the types of its arguments', () => {
    const both = [tenantOf, { ...tenantOf, oid: 901, arguments: [{ type: 'text', typeOid: 25 }] }];
    const { functions: called } = compiled('{ function: app.tenant_of(uuid), arguments: [u] }', {
      functions: both,
      allowed: ['app.tenant_of'],
    });
    expect(called?.map(({ oid }) => oid)).toEqual([900]);
  });

  it('lists what it says it reads', () => {
    const { inputs } = compiled('{ function: app.tenant_of, arguments: [u], reads: { m: [ws] } }', {
      functions,
      allowed: ['app.tenant_of'],
    });
    expect(inputs.map(({ ident, columns }) => [ident, columns])).toEqual([
      ['public.t', ['u']],
      ['public.m', ['ws']],
    ]);
  });
});
