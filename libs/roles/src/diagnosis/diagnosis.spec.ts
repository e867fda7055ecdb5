import type { TableShape } from '@highwater/target-db';
import { must } from '@highwater/kernel';
import { describe, expect, it } from 'vitest';
import type { DatabaseFacts, EntityFacts, TargetFacts, TeamMigration } from './facts.js';
import { judgeFacts } from './look.js';
import { prove } from './proof.js';

type State = 'missing' | 'nulls' | 'filled' | 'enforced' | 'wrongType' | 'noTable';

function shapeOf(name: string, state: State): TableShape | undefined {
  if (state === 'noTable') return undefined;
  const target = {
    name: 'workspaceId',
    ident: '"workspaceId"',
    type: state === 'wrongType' ? 'integer' : 'text',
    notNull: state === 'enforced',
    hasDefault: false,
  };
  return {
    schema: 'public',
    name,
    relid: 1,
    ident: `public."${name}"`,
    kind: 'r',
    rowsEstimated: 10,
    heapBytes: 8192,
    rowSecurity: false,
    columns: [
      { name: 'id', ident: 'id', type: 'text', notNull: true, hasDefault: false },
      ...(state === 'missing' ? [] : [target]),
    ],
    constraints: [],
    indexes: [],
    policies: [],
    triggers: [],
  };
}

const target = (name: string, state: State, more: Partial<TargetFacts> = {}): TargetFacts => ({
  table: name,
  schema: 'public',
  name,
  column: 'workspaceId',
  type: 'text',
  addColumn: false,
  notNull: true,
  references: null,
  indexes: {},
  unique: [],
  shape: shapeOf(name, state),
  nulls:
    state === 'missing' || state === 'noTable'
      ? undefined
      : { kind: 'exact', rows: 10, nulls: state === 'nulls' ? 4 : 0 },
  ...more,
});

const entity = (indexes: EntityFacts['indexes']): EntityFacts => ({
  table: 'Workspace',
  from: 'Organization',
  identity: ['id'],
  createdBy: 'highwater',
  indexes,
  unique: [],
  shape: shapeOf('Workspace', 'missing'),
});

const facts = (targets: readonly TargetFacts[], more: Partial<DatabaseFacts> = {}): DatabaseFacts => ({
  migration: 'hub',
  planFile: 'plan.yaml',
  stream: false,
  targets,
  entities: [],
  misfits: [],
  missingGrants: [],
  missingTables: [],
  histories: [],
  folder: undefined,
  team: [],
  installed: true,
  registered: undefined,
  atWork: [],
  othersLiving: [],
  leftovers: [],
  ...more,
});

const addSql = 'ALTER TABLE "A" ADD COLUMN "workspaceId" TEXT;\nALTER TABLE "B" ADD COLUMN "workspaceId" TEXT;';
const notNullSql = `DO $$ BEGIN IF 1 > 0 THEN RAISE EXCEPTION 'x'; END IF; ALTER TABLE "A" ALTER COLUMN "workspaceId" SET NOT NULL; ALTER TABLE "B" ALTER COLUMN "workspaceId" SET NOT NULL; END $$;`;
const team = (
  name: string,
  state: TeamMigration['state'],
  sql: string,
  targets: readonly TargetFacts[],
): TeamMigration => ({
  tool: 'prisma',
  name,
  state,
  script: {
    path: `prisma/migrations/${name}/migration.sql`,
    sha256: 'abc',
    proof: prove(
      sql,
      targets.flatMap(({ shape }) => shape ?? []),
    ),
  },
  mentions: [],
  edited: null,
});
const commandsOf = (of: DatabaseFacts): string[] => judgeFacts(of).commands.map(({ command }) => command);
const two = (a: State, b: State = a): TargetFacts[] => [target('A', a), target('B', b)];

describe('scenario of a database', () => {
  it.each<[string, DatabaseFacts, string]>([
    ['all columns missing', facts(two('missing')), 'columnsMissing'],
    ['one column missing', facts(two('nulls', 'missing')), 'columnsMissing'],
    ['the plan adds them', facts([target('A', 'missing', { addColumn: true })]), 'new'],
    ['rows without a value', facts(two('nulls')), 'columnsThere'],
    ['one table filled', facts(two('nulls', 'filled')), 'columnsThere'],
    ['all filled', facts(two('filled')), 'filled'],
    ['one enforced', facts(two('enforced', 'nulls')), 'partlyEnforced'],
    ['all enforced', facts(two('enforced')), 'done'],
    [
      'enforced, an index missing',
      facts([target('A', 'enforced', { indexes: { A_workspaceId_idx: ['workspaceId'] } })]),
      'enforced',
    ],
    [
      'enforced, ours left',
      facts(two('enforced'), {
        leftovers: [{ kind: 'slot', name: 'hw_x', on: null, short: 'x', own: true, removal: '' }],
      }),
      'enforced',
    ],
    ['a run under way', facts(two('nulls'), { registered: { phase: 'sweeping', samePlan: true } }), 'underWay'],
    ['a run that is finished', facts(two('enforced'), { registered: { phase: 'finished', samePlan: true } }), 'done'],
    [
      'another plan of that name',
      facts(two('nulls'), { registered: { phase: 'sweeping', samePlan: false } }),
      'refused',
    ],
    ['another type', facts(two('wrongType', 'nulls')), 'refused'],
    [
      "an index of the plan's name over other columns",
      facts([
        target('A', 'nulls', {
          indexes: { i: ['workspaceId'] },
          shape: {
            ...must(shapeOf('A', 'nulls'), 'a shape'),
            indexes: [{ name: 'i', columns: ['id'], unique: false, partial: false, valid: true, definition: '' }],
          },
        }),
      ]),
      'refused',
    ],
    ['no such table', facts(two('noTable', 'nulls'), { missingTables: ['A'] }), 'refused'],
    [
      'an entity that the plan can no longer tell apart',
      facts(two('nulls'), { misfits: [{ on: 'Workspace', message: '' }] }),
      'refused',
    ],
    [
      'what the rules read was taken away after all was done',
      facts(two('enforced'), { misfits: [{ on: 'A', message: '' }] }),
      'done',
    ],
    [
      'enforced, an index of an entity missing',
      facts(two('enforced'), { entities: [entity({ i: ['name'] })] }),
      'enforced',
    ],
    ['enforced, entities complete', facts(two('enforced'), { entities: [entity({})] }), 'done'],
    [
      'a count that could not be read is no zero',
      facts([target('A', 'filled', { nulls: { kind: 'unreadable', why: '' } })]),
      'columnsThere',
    ],
    [
      'an estimate is no zero',
      facts([target('A', 'filled', { nulls: { kind: 'estimate', rows: 9, sampled: 9, low: 0, high: 2 } })]),
      'columnsThere',
    ],
    [
      'a nullable target is never in the way',
      facts([target('A', 'nulls', { notNull: false }), target('B', 'enforced')]),
      'done',
    ],
  ])('%s', (_, given, expected) => {
    expect(judgeFacts(given).scenario).toBe(expected);
  });
});

const run = [
  'highwater preflight plan.yaml',
  'highwater forecast plan.yaml',
  'highwater run plan.yaml --cutover --yes',
  'highwater run plan.yaml --cutover --finish --bridge-unused --yes',
];

describe('the next commands', () => {
  it('are ours alone without a migration tool; init where schema highwater is missing', () => {
    expect(commandsOf(facts(two('nulls'), { installed: false }))).toEqual([
      'highwater init',
      ...run,
      'highwater doctor --plan plan.yaml',
    ]);
  });

  it('mark a failed NOT NULL as rolled back only since nothing of it is there, and as applied once the plan did it', () => {
    const targets = two('nulls');
    const of = facts(targets, { team: [team('2_not_null', 'failed', notNullSql, targets)] });
    const { commands } = judgeFacts(of);
    expect(commands.map(({ command }) => command)).toEqual([
      'npx prisma migrate resolve --rolled-back 2_not_null',
      ...run,
      'npx prisma migrate resolve --applied 2_not_null',
      'highwater doctor --plan plan.yaml',
    ]);
    expect(commands[0]?.instead).toContain('set rolled_back_at = now()');
  });

  it('bring the missing columns by their own migration, and never by a deploy that would go on to the next', () => {
    const targets = two('missing');
    const of = facts(targets, {
      team: [team('1_add', 'failed', addSql, targets), team('2_not_null', 'failed', notNullSql, targets)],
    });
    expect(commandsOf(of)).toEqual([
      'npx prisma migrate resolve --rolled-back 1_add',
      'npx prisma db execute --file prisma/migrations/1_add/migration.sql',
      'npx prisma migrate resolve --applied 1_add',
      'npx prisma migrate resolve --rolled-back 2_not_null',
      ...run,
      'npx prisma migrate resolve --applied 2_not_null',
      'highwater doctor --plan plan.yaml',
    ]);
  });

  it('complete a migration that took place in part, with its own statements', () => {
    const targets = two('nulls', 'missing');
    const of = facts(targets, { team: [team('1_add', 'failed', addSql, targets)] });
    expect(commandsOf(of).slice(0, 2)).toEqual([
      `npx prisma db execute --stdin <<'SQL'\nALTER TABLE "B" ADD COLUMN "workspaceId" TEXT;\nSQL`,
      'npx prisma migrate resolve --applied 1_add',
    ]);
  });

  it('mark a failed one as applied when all of it stands', () => {
    const targets = two('enforced');
    const of = facts(targets, { team: [team('2_not_null', 'failed', notNullSql, targets)] });
    expect(judgeFacts(of).scenario).toBe('done');
    expect(commandsOf(of)).toEqual([
      'npx prisma migrate resolve --applied 2_not_null',
      'highwater doctor --plan plan.yaml',
    ]);
  });

  it('are none when nobody can tell what a failed migration left', () => {
    const targets = two('nulls');
    const unknown = team('2', 'failed', 'UPDATE "A" SET x = 1;', targets);
    const noScript = { ...unknown, script: null };
    for (const migration of [unknown, noScript]) expect(commandsOf(facts(targets, { team: [migration] }))).toEqual([]);
    const { findings } = judgeFacts(facts(targets, { team: [unknown] }));
    expect(findings.find(({ on }) => on === '2')?.message).toContain('update A set x');
  });

  it('warn of a pending NOT NULL while rows are without a value, and mark it afterwards', () => {
    const targets = two('nulls');
    const of = facts(targets, { team: [team('2_not_null', 'pending', notNullSql, targets)] });
    expect(judgeFacts(of).findings.find(({ on }) => on === '2_not_null')).toMatchObject({
      kind: 'warning',
      message: expect.stringContaining('keep services that migrate at their start from running it') as string,
    });
    expect(commandsOf(of)).toEqual([
      ...run,
      'npx prisma migrate resolve --applied 2_not_null',
      'highwater doctor --plan plan.yaml',
    ]);
  });

  it('give our roles what they lack first, and foretell only what is still to be filled', () => {
    const [grants, ...others] = commandsOf(facts(two('filled'), { missingGrants: ['grant a', 'grant b'] }));
    expect(grants).toBe(`psql "$ADMIN_DATABASE_URL" <<'SQL'\ngrant a;\ngrant b;\nSQL`);
    expect(others).not.toContain('highwater forecast plan.yaml');
    expect(commandsOf(facts(two('enforced'), { missingGrants: ['grant a'] }))).toEqual([]);
  });

  it('quote what a shell would take apart', () => {
    const [first] = commandsOf(facts(two('nulls'), { planFile: "my plans/it's.yaml" }));
    expect(first).toBe(`highwater preflight 'my plans/it'\\''s.yaml'`);
  });
});
