import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { parsePlan } from './parse.js';
import { planJsonSchema } from './schema.js';

const withEntities = (entities: string): string =>
  `highwater: 1\nmigration: m\nentities:\n${entities}\ntables:\n  - { table: t, target: { column: w, type: text }, rule: a }\n`;

const good = withEntities(`
  - table: Workspace
    from: Organization
    key: { id: id }
    values: { name: { firstOf: [ name, { constant: Nameless } ] }, slug: { template: "org-{id|hash:8}" }, createdAt: { now: true } }
  - { table: Membership, from: Workspace, key: { workspaceId: id, userId: ownerId }, createdBy: application, indexes: { by_user: [userId] } }`);

function issues(entities: string): string[] {
  const result = parsePlan(withEntities(entities), (text) => text);
  return 'issues' in result
    ? result.issues.map(({ code, line, column, message }) => `${code} ${line}:${column} ${message}`)
    : [];
}

describe('entities', () => {
  it('are read in order, with rules over the source, the moment of creation, and who makes them', () => {
    const result = parsePlan(good, (text) => text);
    if ('issues' in result) throw new Error(JSON.stringify(result.issues));
    const [workspace, membership] = result.plan.plan.entities;
    expect(workspace).toMatchObject({
      table: { name: 'Workspace' },
      from: { name: 'Organization' },
      key: [{ column: 'id', rule: { kind: 'column', column: 'id' } }],
      createdBy: 'highwater',
      indexes: {},
    });
    expect(workspace?.values.map(({ column, rule }) => [column, rule.kind])).toEqual([
      ['name', 'firstOf'],
      ['slug', 'template'],
      ['createdAt', 'now'],
    ]);
    expect(membership).toMatchObject({ createdBy: 'application', values: [], indexes: { by_user: ['userId'] } });
    const { line, column } = result.positions.positionOf('entities[0].values.slug.template');
    expect(good.split('\n')[line - 1]?.slice(column - 1)).toMatch(/^"org-/);
  });

  it('satisfy the published JSON Schema', () => {
    const validate = new Ajv2020({ strict: false }).compile(planJsonSchema());
    expect([validate(parse(good)), validate.errors]).toEqual([true, null]);
  });

  it.each([
    ['no key', '  - { table: w, from: o }', 'HW1004 4:5 "key" is missing in entities[0]'],
    ['an empty key', '  - { table: w, from: o, key: {} }', 'HW1004 4:31 entities[0].key is empty'],
    ['a list for a key', '  - { table: w, from: o, key: [id] }', 'HW1004 4:31 entities[0].key is a list; expected a map from column to rule'],
    ['a misspelt key', '  - { tabel: w, from: o, key: { id: id } }', 'HW1002 4:7 unknown key "tabel" in entities[0]'],
    ['a number for a rule', '  - { table: w, from: o, key: { id: 5 } }', 'HW1004 4:37 entities[0].key.id is 5; expected a rule'],
    ['no rule', '  - { table: w, from: o, key: { id: { clumn: a } } }', 'HW1004 4:37 a rule is exactly one of'],
    ['the moment of creation as identity', '  - { table: w, from: o, key: { at: { now: true } } }', 'HW1004 4:37 a rule is exactly one of'],
    ['not the moment of creation', '  - { table: w, from: o, key: { id: id }, values: { at: { now: no } } }', 'HW1004 4:'],
    ['one column twice', '  - { table: w, from: o, key: { id: id }, values: { id: a } }', 'HW1004 4:57 entities[0].values.id is part of the key already'],
    ['a long name', `  - { table: w, from: o, key: { ${'x'.repeat(64)}: id } }`, 'HW1011 4:33 name'],
    ['neither', '  - { table: w, from: o, key: { id: id }, createdBy: us }', 'HW1004 4:54 entities[0].createdBy is "us"; expected highwater or application'],
    ['a policy of what the application makes', '  - { table: w, from: o, key: { id: id }, createdBy: application, unfillable: leaveNull }', 'HW1004 4:79 entities[0].unfillable is about rows that we make'],
    ['a policy that is none', '  - { table: w, from: o, key: { id: id }, unfillable: { InputNull: skip } }', 'HW1004 4:68 '],
    ['the same twice', '  - { table: w, from: o, key: { a: x, b: y } }\n  - { table: public.w, from: o, key: { b: y, a: x } }', 'HW1013 5:14 entity public.w from o is already made by entities[0]'],
    ['a source that comes later', '  - { table: m, from: w, key: { id: id } }\n  - { table: w, from: o, key: { id: id } }', 'HW1014 4:23 entity m is made from w, which entities[1] makes after it'],
    ['itself', '  - { table: w, from: w, key: { id: id } }', 'HW1014 4:23 entity w would be made from itself'],
    ['an own rule that is not there', '  - { table: w, from: o, key: { id: { via: p, to: p(id) } } }', 'HW1008 4:44 via without then means the rule of p'],
    ['an index name of a table', '  - { table: t, from: o, key: { id: id }, indexes: { i: [id] } }\n  - { table: t, from: p, key: { id: id }, indexes: { i: [id] } }', 'HW1012 5:54 index "i" is already named by entities[0]'],
  ])('%s', (_what, entities, expected) => {
    expect(issues(entities)[0]?.slice(0, expected.length)).toBe(expected);
  }); // prettier-ignore

  it('may make one table from two sources', () => {
    expect(issues('  - { table: w, from: o, key: { id: id } }\n  - { table: w, from: u, key: { id: id } }')).toEqual(
      [],
    );
  });
});
