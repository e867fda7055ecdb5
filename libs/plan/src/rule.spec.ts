import { Ajv2020 } from 'ajv/dist/2020.js';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { parsePlan } from './parse.js';
import { type Rule, tablesNamed, walkRule } from './rule.js';
import { planJsonSchema } from './schema.js';
import { parseTemplate } from './template.js';

const plan = (rule: string): string =>
  `highwater: 1\nmigration: m\ntables:\n  - table: t\n    target: { column: w, type: text }\n    rule: ${rule}\n`;

function ruleOf(text: string): Rule {
  const result = parsePlan(plan(text), (source) => source);
  if ('issues' in result) throw new Error(JSON.stringify(result.issues, null, 1));
  const rule = result.plan.plan.tables[0]?.rule;
  if (rule === undefined) throw new Error('no rule');
  return rule;
}

/** `CODE line:column message` of the first issue. */
function firstIssue(rule: string): string | undefined {
  const result = parsePlan(plan(rule), (source) => source);
  const first = 'issues' in result ? result.issues[0] : undefined;
  return first && `${first.code} ${first.line}:${first.column} ${first.message}`;
}

describe('a rule', () => {
  it('looks up through a table of memberships', () => {
    expect(ruleOf('{ lookup: app.M, where: { userId: actorId }, take: workspaceId, pick: single }')).toEqual({
      kind: 'lookup',
      table: { schema: 'app', name: 'M' },
      where: [{ theirs: 'userId', ours: 'actorId' }],
      take: 'workspaceId',
      pick: 'single',
    });
  });

  it('looks up in an order, with constants as they were written and a rule of the looked-up row', () => {
    const text =
      '{ lookup: M, where: { u: { column: a }, s: { constant: 007 } }, then: { via: x, then: y }, pick: { first: { by: [c, d], order: desc } } }';
    expect(ruleOf(text)).toMatchObject({
      where: [
        { theirs: 'u', ours: 'a' },
        { theirs: 's', constant: '007' },
      ],
      then: { kind: 'via', columns: ['x'] },
      pick: { by: ['c', 'd'], order: 'desc' },
    });
    expect(ruleOf('{ lookup: M, where: { u: a }, take: c, pick: { first: { by: d } } }')).toMatchObject({
      pick: { by: ['d'], order: 'asc' },
    });
  });

  it('maps, calls and makes text', () => {
    expect(ruleOf('{ map: plan, values: { 1: a, basic: 1e3 } }')).toEqual({
      kind: 'map',
      of: { kind: 'column', column: 'plan' },
      values: [
        { from: '1', to: 'a' },
        { from: 'basic', to: '1e3' },
      ],
    });
    expect(ruleOf('{ function: "app.f(uuid, text)", arguments: [a, { constant: 5 }], reads: { M: [id] } }')).toEqual({
      kind: 'function',
      function: { schema: 'app', name: 'f', argumentTypes: ['uuid', 'text'] },
      arguments: [
        { kind: 'column', column: 'a' },
        { kind: 'constant', value: '5' },
      ],
      reads: [{ table: { name: 'M' }, columns: ['id'] }],
    });
    expect(ruleOf('{ function: now_id }')).toMatchObject({ function: { name: 'now_id' }, arguments: [] });
    expect(ruleOf('{ template: "org-{owner_id}" }')).toEqual({
      kind: 'template',
      parts: [{ text: 'org-' }, { column: 'owner_id', filters: [] }],
    });
  });

  it.each([
    ['no pick', '{ lookup: M, where: { a: b }, take: c }', 'HW1004 6:11 "pick" is missing in tables[0].rule'],
    ['no where', '{ lookup: M, take: c, pick: single }', 'HW1004 6:11 "where" is missing in tables[0].rule'],
    ['an empty where', '{ lookup: M, where: {}, take: c, pick: single }', 'HW1004 6:31 tables[0].rule.where is empty'],
    [
      'a where that knows nothing of the row',
      '{ lookup: M, where: { a: { constant: 1 } }, take: c, pick: single }',
      'HW1004 6:31 no condition in tables[0].rule.where names a column of the row',
    ],
    [
      'take and then',
      '{ lookup: M, where: { a: b }, take: c, then: d, pick: single }',
      'HW1004 6:56 tables[0].rule has both take and then',
    ],
    [
      'an unknown pick',
      '{ lookup: M, where: { a: b }, take: c, pick: any }',
      'HW1004 6:56 tables[0].rule.pick is "any"; expected single, or { first: { by, order } }',
    ],
    [
      'an unknown order',
      '{ lookup: M, where: { a: b }, take: c, pick: { first: { by: d, order: up } } }',
      'HW1004 6:81 tables[0].rule.pick.first.order is "up"; expected asc or desc',
    ],
    [
      'a misspelt key of a lookup',
      '{ lookup: M, where: { a: b }, tkae: c, pick: single }',
      'HW1002 6:41 unknown key "tkae" in tables[0].rule',
    ],
    [
      'a rule within that is two',
      '{ map: { column: a, via: b }, values: { a: b } }',
      'HW1004 6:18 a rule is exactly one of',
    ],
    ['a map of nothing', '{ map: a, values: {} }', 'HW1004 6:29 tables[0].rule.values is empty'],
    ['a map of lists', '{ map: a, values: { x: [1] } }', 'HW1004 6:34 tables[0].rule.values.x is a list; expected'],
    [
      'a function with SQL in it',
      '{ function: "f(a); drop table x" }',
      'HW1004 6:23 tables[0].rule.function: expected a function as name',
    ],
    ['a brace that is not closed', '{ template: "a{b" }', 'HW1004 6:23 tables[0].rule.template: a { without its }'],
    ['a brace that is not opened', '{ template: "a}b" }', 'HW1004 6:23 tables[0].rule.template: a } without its {'],
    ['an unknown filter', '{ template: "{a|upper}" }', 'HW1004 6:23 tables[0].rule.template: "upper" is no filter'],
    ['a template that is a constant', '{ template: "abc" }', 'HW1004 6:23 tables[0].rule.template: no {column} in it'],
    [
      'a look-up of a table without a rule',
      '{ lookup: M, where: { a: b }, pick: single }',
      'HW1008 6:21 lookup without take or then means the rule of M',
    ],
    [
      'a circle',
      '{ map: { lookup: t, where: { a: b }, pick: single }, values: { a: b } }',
      'HW1009 6:28 the rule of t leads back',
    ],
  ])('refuses %s', (_what, rule, expected) => {
    expect(firstIssue(rule)?.slice(0, expected.length)).toBe(expected);
  });

  it('satisfies the published JSON Schema in every kind', () => {
    const validate = new Ajv2020({ strict: false }).compile(planJsonSchema());
    for (const rule of [
      '{ lookup: M, where: { a: b, c: { constant: 1 } }, take: c, pick: { first: { by: d, order: desc } } }',
      '{ firstOf: [ { template: "{a|before:@}" }, { map: { via: a, then: b }, values: { a: b } }, { function: f, arguments: [a] } ] }',
    ])
      expect([validate(parse(plan(rule))), validate.errors]).toEqual([true, null]);
    expect(validate(parse(plan('{ lookup: M, where: { a: b }, take: c, pick: any }')))).toBe(false);
  });

  it('costs no more with every rule within a rule, right or wrong', () => {
    const within = (wrap: (inner: string) => string, innermost: string): string =>
      Array.from({ length: 24 }).reduce<string>((inner) => wrap(inner), innermost);
    const via = (inner: string): string => `{ via: x, then: ${inner} }`;
    const lookup = (inner: string): string => `{ lookup: M, where: { a: b }, then: ${inner}, pick: single }`;
    for (const wrap of [via, lookup]) {
      expect(firstIssue(within(wrap, 'a'))).toBeUndefined();
      expect(firstIssue(within(wrap, '{ column: [1] }'))).toContain('.column is a list; expected a name or text');
    }
  });

  it('tells every table it names, at any depth', () => {
    const rule = ruleOf(
      '{ map: { function: f, arguments: [ { lookup: A, where: { a: b }, then: { via: c, to: B(id), then: d }, pick: single } ], reads: { C: [id] } }, values: { a: b } }',
    );
    const names: string[] = [];
    walkRule(rule, [], (each) => void names.push(...tablesNamed(each).map((table) => table.name)));
    expect(names).toEqual(['C', 'A', 'B']);
  });
});

describe('a template', () => {
  it('takes filters in order and doubled braces as braces', () => {
    expect(parseTemplate("{{{e|before:@|hash:8}}}'s")).toEqual({
      parts: [
        { text: '{' },
        { column: 'e', filters: [{ filter: 'before', text: '@' }, { filter: 'hash', digits: 8 }] },
        { text: "}'s" },
      ],
    }); // prettier-ignore
  });

  it.each(['{a|hash:0}', '{a|hash:65}', '{a|hash:x}', '{a|before:}', '{a|before}', '{}', '{a{b}', '{a|}'])(
    'refuses %s',
    (text) => expect(parseTemplate(text)).toHaveProperty('problem'),
  );
});
