import { type Plan, parsePlan } from '@highwater/plan';
import { describe, expect, it } from 'vitest';
import { foreignKey, table, workspaceCatalog } from './catalog.fixture.js';
import type { Catalog } from './catalog.js';
import { compilePlan } from './compile.js';
import { type ForeseenDerivation, type ForeseenPlan, foreseePlan } from './foresee.js';

const foreseen = (tables: string, catalog: Catalog): ForeseenDerivation[] => [
  ...foreseenPlan(tables, catalog).derivations,
];
function foreseenPlan(tables: string, catalog: Catalog): ForeseenPlan {
  const parsed = parsePlan(`highwater: 1\nmigration: m\n${tables}`, (source) => source);
  if ('issues' in parsed) throw new Error(JSON.stringify(parsed.issues));
  const plan: Plan = parsed.plan.plan;
  const compiled = compilePlan(plan, catalog);
  if ('issues' in compiled) throw new Error(JSON.stringify(compiled.issues));
  return foreseePlan(plan, catalog, compiled);
}
const labelsOf = (one: ForeseenDerivation | undefined): readonly string[] => one?.derivation.branches.labels ?? [];

describe('branches of a rule', () => {
  const [group, activity, response] = foreseen(
    `
defaults: { target: { column: workspaceId, type: text } }
tables:
  - { table: Group, rule: orgId }
  - { table: Activity, rule: { firstOf: [ { via: groupId, then: workspaceId }, { via: groupId, then: orgId }, { constant: none } ] } }
  - { table: Response, rule: { firstOf: [ { via: activityId }, { via: groupId } ] } }`,
    workspaceCatalog,
  );

  it('are numbered as the plan wrote them, though neighbours are one look-up', () => {
    expect(labelsOf(group)).toEqual(['orgId']);
    expect(labelsOf(activity)).toEqual([
      'firstOf[0] via groupId → workspaceId',
      'firstOf[1] via groupId → orgId',
      'firstOf[2] constant "none"',
    ]);
  });

  it("go on into the rule of the parent where the parent's own is followed", () => {
    expect(labelsOf(response)).toEqual([
      'firstOf[0] via activityId → firstOf[0] via groupId → workspaceId',
      'firstOf[0] via activityId → firstOf[1] via groupId → orgId',
      'firstOf[0] via activityId → firstOf[2] constant "none"',
      'firstOf[1] via groupId → orgId',
    ]);
    const { expression } = response?.derivation.branches ?? { expression: '' };
    expect(expression.match(/p1."activityId"|r."activityId"/g)?.every((one) => one.startsWith('r.'))).toBe(true);
  });

  it('name what a map, a look-up and a template take', () => {
    const [one] = foreseen(
      `
tables:
  - table: t
    target: { column: w, type: text }
    rule:
      firstOf:
        - { map: { firstOf: [ plan, kind ] }, values: { a: b } }
        - { lookup: Membership, where: { userId: owner }, take: workspaceId, pick: single }
        - { template: "org-{owner|hash:8}" }`,
      {
        tables: [
          table(1, 't', { id: 'text!', plan: 'text', kind: 'text', owner: 'text', w: 'text' }),
          table(2, 'Membership', { id: 'text!', userId: 'text', workspaceId: 'text' }),
        ],
      },
    );
    expect(labelsOf(one)).toEqual([
      'firstOf[0] map of firstOf[0] plan',
      'firstOf[0] map of firstOf[1] kind',
      'firstOf[1] lookup Membership by userId → workspaceId',
      'firstOf[2] template "org-{owner|hash:8}"',
    ]);
  });
});

describe('a rule that reads another target', () => {
  const tables = [
    table(2, 'Group', { id: 'text!', orgId: 'text' }),
    table(3, 'Activity', { id: 'text!', groupId: 'text', workspaceId: 'text' }, { foreignKeys: [foreignKey(['groupId'], 2)] }),
    table(4, 'Response', { id: 'text!', activityId: 'text', workspaceId: 'text' }, { foreignKeys: [foreignKey(['activityId'], 3)] }),
  ]; // prettier-ignore
  const [response, activity, group] = foreseen(
    `
defaults: { target: { column: workspaceId, type: text } }
tables:
  - { table: Response, rule: { via: activityId, then: workspaceId } }
  - { table: Activity, rule: { via: groupId, then: workspaceId } }
  - { table: Group, target: { column: workspaceId, type: text, addColumn: true }, rule: orgId }`,
    { tables },
  );

  it('reads it as it will be, whatever the order of the plan: what is stored, else what its rule gives', () => {
    expect(activity?.derivation.expression).toBe(
      '(select p1."workspaceId" from (select r.id, r."orgId", r."orgId" as "workspaceId" from (select r.id, r."orgId", null::text as "workspaceId" from only public."Group" as r) as r) as p1 where p1.id OPERATOR(pg_catalog.=) r."groupId")',
    );
    expect(response?.derivation.expression).toContain(
      '(select r.id, r."groupId", coalesce(r."workspaceId", (select p1."workspaceId" from (select',
    );
  });

  it('has the column that is not there yet as NULL, and the rows of the table behind it', () => {
    expect(group?.stored).toBe(false);
    expect(group?.source('only public."Group" as r tablesample system (1)')).toBe(
      '(select r.id, r."orgId", null::text as "workspaceId" from only public."Group" as r tablesample system (1)) as r',
    );
    expect(activity?.source('public."Activity" as r')).toBe('public."Activity" as r');
  });
});

it('reads a circle as it is stored, and says so', () => {
  const [folder] = foreseen(
    `tables: [ { table: Folder, target: { column: w, type: text }, rule: { firstOf: [ own, { via: parentId, then: w } ] } } ]`,
    {
      tables: [
        table(
          1,
          'Folder',
          { id: 'text!', parentId: 'text', own: 'text', w: 'text' },
          { foreignKeys: [foreignKey(['parentId'], 1)] },
        ),
      ],
    },
  );
  expect(folder?.readAsStored).toEqual(['public.Folder.w']);
  expect(folder?.derivation.expression).toContain('from only public."Folder" as p1');
});

describe('an entity that the run makes', () => {
  const tables = [
    table(1, 'Organization', { id: 'text!' }),
    table(2, 'Workspace', { id: 'text!', name: 'text' }),
    table(3, 'Group', { id: 'text!', orgId: 'text', workspaceId: 'text' }),
  ];
  const plan = (createdBy: string): string => `
entities: [ { table: Workspace, from: Organization, key: { id: id }, values: { name: { constant: none } }, createdBy: ${createdBy} } ]
tables: [ { table: Group, target: { column: workspaceId, type: text }, references: { table: Workspace }, rule: orgId } ]`;

  it('is there already for the rules that lead to it', () => {
    const [group] = foreseen(plan('highwater'), { tables });
    expect(group?.derivation.reason).toContain(
      '(exists (select from only public."Workspace" as f where f.id OPERATOR(pg_catalog.=) v.value) or exists (select from ' +
        '(select m.id from (select r.id as id from only public."Organization" as r where (',
    );
    expect(group?.derivation.reason).toContain(
      'as m where not exists (select from only public."Workspace" as e where e.id OPERATOR(pg_catalog.=) m.id)) as f where f.id',
    );
    expect(group?.derivation.reason).not.toContain('distinct');
  });

  it('is found once for all rows, and hashed, where its identity is computed and no index finds it', () => {
    const { derivations, toCome } = foreseenPlan(
      `
entities: [ { table: Workspace, from: Group, key: { id: { template: "org-{orgId}" } }, values: { name: { constant: none } }, createdBy: highwater } ]
tables: [ { table: Group, target: { column: workspaceId, type: text }, references: { table: Workspace }, rule: { template: "org-{orgId}" } } ]`,
      { tables },
    );
    expect(toCome).toMatchObject([{ name: 'hw_to_come_0', sourceRelid: 3 }]);
    expect(toCome[0]?.text).toContain('select m.id from (select distinct on (');
    expect(toCome[0]?.over('hw_sample as r')).toContain('from hw_sample as r where');
    expect(derivations[0]?.derivation.expression).toContain(
      'or v.value OPERATOR(pg_catalog.=) any (select f.id from hw_to_come_0 as f)',
    );
    expect(derivations[0]?.columnsStored).toEqual(['id', '"orgId"', '"workspaceId"']);
  });

  it('is there when it is, where the application makes it', () => {
    const [group] = foreseen(plan('application'), { tables });
    expect(group?.derivation.reason).toContain('exists (select from only public."Workspace" as f where f.id');
  });
});
