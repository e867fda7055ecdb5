import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { parse } from 'yaml';
import { describe, expect, it } from 'vitest';
import { formatIssue, issueToJson } from './format.js';
import { planToJson } from './json.js';
import { nameProblem } from './names.js';
import { type ParsedPlanResult, parsePlan } from './parse.js';
import { planJsonSchema } from './schema.js';

const hash = (text: string): string => `h${text.length}`;

const example = `highwater: 1
migration: organization-to-workspace
defaults:
  key: [id]
  target: { column: workspaceId, type: text, addColumn: false }
  references: { table: Workspace, onDelete: restrict }
  notNull: true
tables:
  - table: Group
    rule: { column: orgId }
    indexes: { Group_workspaceId_idx: [workspaceId] }
  - table: app.Activity
    target: { type: uuid }
    rule: { firstOf: [ { via: groupId, then: workspaceId }, { via: [a, b], to: "Group(x, y)" }, { constant: 007 } ] }
  - table: DataExport
    notNull: false
    references: none
    key: [tenant, id]
    rule: orgId
cutover: { window: 2h }
limits: { lockBudget: 0.3s, sweepWorkers: 4 }
stream: { retainedWal: 512MiB }
accept: [replica-lag-unknown]
`;

function parsed(source: string): ParsedPlanResult {
  const result = parsePlan(source, hash);
  if ('issues' in result)
    throw new Error(result.issues.map((issue) => formatIssue(issue, source, 'plan.yaml')).join('\n'));
  return result;
}

/** `code line:column message` of each issue. */
function issues(source: string): string[] {
  const result = parsePlan(source, hash);
  return 'issues' in result
    ? result.issues.map((issue) => `${issue.code} ${issue.line}:${issue.column} ${issue.message}`)
    : [];
}

const small = (more: string): string =>
  `highwater: 1\nmigration: m\ntables:\n  - table: t\n    target: { column: w, type: text }\n    ${more}\n`;

describe('a good plan', () => {
  const { plan, warnings } = parsed(example);
  const [group, activity, dataExport] = plan.plan.tables;

  it('keeps the text it came from and its hash', () => {
    expect(plan.source).toBe(example);
    expect(plan.hash).toBe(`h${example.length}`);
    expect(warnings).toEqual([]);
  });

  it('merges defaults, key by key', () => {
    expect(group).toEqual({
      table: { name: 'Group' },
      key: ['id'],
      target: { column: 'workspaceId', type: 'text', addColumn: false },
      references: { table: { name: 'Workspace' }, onDelete: 'restrict', onDeleteSaid: true },
      notNull: true,
      rule: { kind: 'column', column: 'orgId' },
      indexes: { Group_workspaceId_idx: ['workspaceId'] },
      unique: {},
    });
    expect(activity?.table).toEqual({ schema: 'app', name: 'Activity' });
    expect(activity?.target).toEqual({ column: 'workspaceId', type: 'uuid', addColumn: false });
    expect(dataExport?.references).toBeUndefined();
    expect(dataExport).toMatchObject({ notNull: false, key: ['tenant', 'id'] });
  });

  it('reads every kind of rule, bare names too, and a constant as it was written', () => {
    expect(activity?.rule).toEqual({
      kind: 'firstOf',
      rules: [
        { kind: 'via', columns: ['groupId'], then: { kind: 'column', column: 'workspaceId' } },
        { kind: 'via', columns: ['a', 'b'], to: { table: { name: 'Group' }, columns: ['x', 'y'] } },
        { kind: 'constant', value: '007' },
      ],
    });
  });

  it('gives limits in one unit, and what was left out its default', () => {
    expect(plan.plan.limits).toEqual({
      lockBudgetMs: 300, rowBudgetMs: 200, lockAttempts: 5, sweepWorkers: 4, replicaLagMs: 10_000, chunkRowsMax: 10_000, sweepRowsPerSecondMax: 0,
    }); // prettier-ignore
    expect(plan.plan.cutover).toEqual({ mode: 'bridge', start: 'manual', windowMs: 7_200_000 });
    expect(planToJson(plan.plan)['stream']).toEqual({
      partitions: 4,
      retainedWalBytes: '536870912',
      atLimit: 'dropSlot',
      onBreak: 'rebuild',
    });
    expect(parsed(small('rule: a\nstream: none')).plan.plan.stream).toBeNull();
  });

  it('finds the place of anything, of defaults and bare names too', () => {
    const { positions } = parsed(example);
    const text = (path: string): string => {
      const { line, column, length } = positions.positionOf(path);
      return (example.split('\n')[line - 1] ?? '').slice(column - 1, column - 1 + length);
    };
    expect(text('tables[1].rule.firstOf[0].via')).toBe('groupId');
    expect(text('tables[1].rule.firstOf[0].then.column')).toBe('workspaceId');
    expect(text('tables[2].rule.column')).toBe('orgId');
    expect(text('tables[1].target.type')).toBe('uuid');
    expect(text('tables[1].target.column')).toBe('workspaceId');
    expect(text('tables[0].references.table')).toBe('Workspace');
    expect(text('tables[0].indexes.Group_workspaceId_idx[0]')).toBe('workspaceId');
    expect(text('nowhere.at.all')).not.toBe('');
  });

  it('satisfies the published JSON Schema, which refuses unknown keys too', () => {
    const validate = new Ajv2020({ strict: false }).compile(planJsonSchema());
    expect([validate(parse(example)), validate.errors]).toEqual([true, null]);
    expect(validate({ ...(parse(example) as object), limit: {} })).toBe(false);
  });
});

describe('a bad plan', () => {
  it.each([
    ['not YAML', 'a: [', 'HW1001 1:5 not valid YAML'],
    ['a tag', small('rule: !!js a'), 'HW1001 6:11 not valid YAML'],
    ['two documents', `${small('rule: a')}---\n${small('rule: a')}`, 'HW1001 7:1 not valid YAML'],
    ['a duplicate key', small('rule: a\n    rule: b'), 'HW1001 7:5 not valid YAML'],
    ['YAML 1.1', `%YAML 1.1\n---\n${small('rule: a')}`, 'HW1001 1:1 a plan is YAML 1.2'],
    ['an alias', small('rule: &x a\n    key: [*x]'), 'HW1006 6:14 anchors and aliases'],
    ['too much', `# ${'x'.repeat(70_000)}`, 'HW1006 1:1 the plan is 70002 bytes long'],
    ['too deep', `a: ${'['.repeat(200)}${']'.repeat(200)}`, 'HW1006 1:'],
    ['far too deep', '['.repeat(60_000), 'HW1006 1:1 the plan is nested'],
    ['empty', '# nothing\n', 'HW1004 1:1 the plan is empty'],
    ['a list', '- a', 'HW1004 1:1 the plan is a list; expected a map'],
    ['an unknown key', small('rul: a'), 'HW1002 6:5 unknown key "rul" in tables[0]'],
    ['an unknown key deep inside', small('rule: { firstOf: [ { via: a, thn: b } ] }'), 'HW1002 6:34 unknown key "thn"'],
    [
      'a wrong name',
      small('rule: a').replace('migration: m', 'migration: My Plan'),
      'HW1003 2:12 migration name "My Plan"',
    ],
    ['no format version', small('rule: a').replace('highwater: 1\n', ''), 'HW1004 1:1 "highwater" is missing'],
    [
      'a later format version',
      small('rule: a').replace('highwater: 1', 'highwater: 2'),
      'HW1004 1:12 highwater is 2; expected 1',
    ],
    [
      'no target',
      'highwater: 1\nmigration: m\ntables: [ { table: t, rule: a } ]',
      'HW1004 3:11 tables[0] has no target column',
    ],
    [
      'a number for a name',
      small('rule: { column: 5 }'),
      'HW1004 6:21 tables[0].rule.column is 5; expected a name or text',
    ],
    [
      'no unit',
      small('rule: a\nlimits: { rowBudget: 200 }'),
      'HW1004 7:22 limits.rowBudget is 200; expected a duration with a unit',
    ],
    [
      'beyond the deadlock timeout',
      small('rule: a\nlimits: { rowBudget: 2s }'),
      'HW1004 7:22 limits.rowBudget is 2s; expected 1ms to 900ms',
    ],
    ['two rules in one', small('rule: { column: a, via: b }'), 'HW1004 6:11 a rule is exactly one of'],
    ['repair without a journal', small('rule: a\nrepair: true'), 'HW1015 7:1 repair is true and there is no journal'],
    [
      'rows left NULL for ever',
      small('rule: a\n    unfillable: leaveNull'),
      'HW1017 7:17 unfillable rows of t are left NULL',
    ],
    [
      'a reason left NULL for ever',
      small('rule: a\n    unfillable: { InputNull: hold, Ambiguous: leaveNull }'),
      'HW1017 7:47 unfillable rows of t are left NULL',
    ],
    ['a reason that is none', small('rule: a\n    notNull: false\n    unfillable: { Because: hold }'), 'HW1002 8:19 '],
    [
      'SQL for a type',
      small('rule: a').replace('type: text', 'type: "text not null"'),
      'HW1004 5:32 tables[0].target.type is',
    ],
    ['a long name', small(`rule: ${'é'.repeat(32)}`), 'HW1011 6:11 tables[0].rule: name'],
    ['a NUL in a name', small('rule: "a\\0"'), 'HW1011 6:11 tables[0].rule: a name contains a NUL'],
    ['a long index name', small(`rule: a\n    indexes: { ${'x'.repeat(64)}: [w] }`), 'HW1011 7:16 name'],
    [
      'a table twice',
      small('rule: a\n  - table: public.t\n    target: { column: w, type: text }\n    rule: b'),
      'HW1007 7:12 public.t.w is already filled by tables[0]',
    ],
    [
      'an index twice',
      small(
        'rule: a\n    indexes: { i: [w] }\n  - table: u\n    target: { column: w, type: text }\n    rule: b\n    indexes: { i: [w] }',
      ),
      'HW1012 11:16 index "i"',
    ],
    [
      'a parent without a rule',
      small('rule: { via: p, to: p(id) }'),
      'HW1008 6:18 via without then means the rule of p',
    ],
    ['a circle', small('rule: { via: p, to: t(id) }'), 'HW1009 6:18 the rule of t leads back to itself'],
  ])('%s', (_what, source, expected) => {
    const [first] = issues(source);
    expect(first?.slice(0, expected.length)).toBe(expected);
  });

  it('reports everything at once, in the order of the file', () => {
    expect(issues(small('rul: a\nlimts: {}\nstream: { partitions: 0 }')).map((issue) => issue.slice(0, 11))).toEqual([
      'HW1002 6:5 ', 'HW1002 7:1 ', 'HW1004 8:23',
    ]); // prettier-ignore
  });

  it('only warns of choices after a constant', () => {
    const source = small('rule: { firstOf: [ { constant: x }, a ] }');
    expect(parsed(source).warnings.map(({ code, severity }) => [code, severity])).toEqual([['HW1010', 'warning']]);
  });

  it('is shown with its place', () => {
    const source = small('rule: { firstOf: [ { vai: groupId } ] }');
    const result = parsePlan(source, hash);
    const issue = 'issues' in result ? result.issues[0] : undefined;
    if (issue === undefined) throw new Error('no issue');
    expect(formatIssue(issue, source, 'plan.yaml')).toBe(
      `plan.yaml:6:24: error[HW1004]: a rule is exactly one of column, via, firstOf, lookup, template, map, constant, function; found "vai"
    4 |   - table: t
    5 |     target: { column: w, type: text }
    6 |     rule: { firstOf: [ { vai: groupId } ] }
      |                        ^^^^^^^^^^^^^^^^
  help: did you mean "via"?
  docs: docs/errors.md#hw1004`,
    );
    expect(issueToJson(issue, 'plan.yaml')).toMatchObject({
      file: 'plan.yaml',
      line: 6,
      column: 24,
      docs: 'docs/errors.md#hw1004',
    });
  });

  it('passes no control character on to the terminal', () => {
    const source = small('rule: "a\u009b2J"\n    x: 1');
    const result = parsePlan(source, hash);
    const text =
      'issues' in result ? result.issues.map((issue) => formatIssue(issue, source, '\u001b[31m')).join('') : '';
    expect(text).toContain('unknown key');
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });
});

describe('finishers', () => {
  const twice = small(`rule: a
    unique: { t_w_key: [w, b] }
  - table: t
    target: { column: v, type: text }
    rule: a
    indexes: { t_w_key: [v] }`);

  it('are unique indexes, whose names are names of indexes', () => {
    expect(parsed(small('rule: a\n    unique: { t_w_key: [w, b] }')).plan.plan.tables[0]?.unique).toEqual({
      t_w_key: ['w', 'b'],
    });
    expect(issues(twice)).toEqual([
      'HW1012 11:16 index "t_w_key" is already named by tables[0]; names of indexes are unique in a schema',
    ]);
  });

  it('replace a foreign key only where the plan says onDelete itself', () => {
    const references = (text: string) =>
      parsed(small(`rule: a\n    references: ${text}`)).plan.plan.tables[0]?.references;
    expect(references('{ table: p }')).toMatchObject({ onDelete: 'restrict', onDeleteSaid: false });
    expect(references('{ table: p, onDelete: restrict }')).toMatchObject({ onDelete: 'restrict', onDeleteSaid: true });
  });
});

describe('any input', () => {
  it('is answered, never thrown at', () => {
    const junk = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.json(),
      fc
        .tuple(fc.nat(example.length), fc.string({ maxLength: 3 }))
        .map(([at, text]) => example.slice(0, at) + text + example.slice(at + 1)),
    );
    fc.assert(
      fc.property(junk, (source) => {
        const result = parsePlan(source, hash);
        if (!('issues' in result)) return;
        expect(result.issues.length).toBeGreaterThan(0);
        for (const issue of result.issues) formatIssue(issue, source, 'plan.yaml');
      }),
      { numRuns: 200, seed: 7 },
    );
  }, 60_000);

  it('keeps any name PostgreSQL can hold', () => {
    const name = fc
      .string({ unit: 'binary', minLength: 1, maxLength: 20 })
      .filter((text) => nameProblem(text) === undefined);
    fc.assert(
      fc.property(name, name, name, (table, column, from) => {
        const source = JSON.stringify({
          highwater: 1,
          migration: 'm',
          tables: [{ table: { name: table }, target: { column, type: 'text' }, rule: { column: from }, indexes: {} }],
        });
        const entry = parsed(source).plan.plan.tables[0];
        expect([entry?.table.name, entry?.target.column, entry?.rule]).toEqual([
          table,
          column,
          { kind: 'column', column: from },
        ]);
      }),
      { numRuns: 200, seed: 8 },
    );
  }, 60_000);
});
