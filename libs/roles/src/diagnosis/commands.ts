import { shell } from './shell.js';
import { scenarioOf, type Scenario } from './scenario.js';
import type { DatabaseFacts, TeamMigration } from './facts.js';
import { openMigrations, type Judged } from './team-migrations.js';

/** One command line, ready to paste, and why. `instead`: what does the same when the tool itself fails. */
export interface NextCommand {
  readonly command: string;
  readonly why: string;
  readonly instead?: string;
}

/** What to do now, in order. Empty: nothing, or nothing that could be said without looking at it by hand. Pure. */
export function nextCommands(facts: DatabaseFacts): readonly NextCommand[] {
  const scenario = scenarioOf(facts);
  if (scenario === 'refused') return [];
  const open = openMigrations(facts);
  if (open.some(unclear)) return [];
  const commands = [...before(facts, open), ...ours(facts, scenario), ...afterwards(facts, open)];
  return commands.length === 0 ? [] : [...commands, ...looks(facts)];
}

/** A failed migration of which nobody can tell what it left: no command of ours could be sure. */
const unclear = ({ migration }: Judged): boolean =>
  migration.state === 'failed' && (migration.script === null || migration.script.proof.applied === 'unproved');

/** Puts the team's tool in order, and brings the columns that are missing. */
function before(facts: DatabaseFacts, open: readonly Judged[]): NextCommand[] {
  const later = open.filter(({ touches, needed }) => touches && !needed).map(({ migration }) => migration.name);
  const notDeploy = `not "migrate deploy": it would go on to every later migration${later.length > 0 ? `, ${later.join(', ')} included, and fail while rows are without a value` : ''}`;
  return open.flatMap((judged) => {
    const { migration, needed, own, shared } = judged;
    const { script, state, name, tool } = migration;
    if (tool !== 'prisma') return needed ? [bring(migration)] : [];
    if (!script) return [];
    const { applied, present, missing } = script.proof;
    const mark = (as: 'applied' | 'rolled-back', why: string): NextCommand => resolve(facts, migration, as, why);
    const marked = shared ? [] : [mark('applied', 'with that, all of it stands')];
    if (applied === 'all')
      return [mark('applied', `all of it stands in the database already (${present.length} changes looked up)`)];
    if (applied === 'part') {
      if (state !== 'failed' && !needed) return [];
      const rest = execute(facts, name, own);
      return [...rest, ...marked];
    }
    const undone =
      state === 'failed'
        ? [mark('rolled-back', `nothing of it was applied (${missing.length} changes looked up, none is there)`)]
        : [];
    if (!needed) return undone;
    if (shared) return [...undone, ...execute(facts, name, own)];
    const file = `npx prisma db execute --file ${shell(script.path)}${schemaOption(facts)}`;
    return [...undone, { command: file, why: `${name}: adds the columns; ${notDeploy}` }, ...marked];
  });
}

const bring = ({ tool, name }: TeamMigration): NextCommand => ({
  command: tool === 'knex' ? `npx knex migrate:up ${shell(name)}` : 'npx typeorm migration:run -d data-source.js',
  why: `${name}: adds the columns`,
});

const execute = (facts: DatabaseFacts, name: string, statements: readonly string[]): NextCommand[] =>
  statements.length === 0
    ? []
    : [
        {
          command: `npx prisma db execute --stdin${schemaOption(facts)} <<'SQL'\n${statements.map((sql) => `${sql};`).join('\n')}\nSQL`,
          why: `${name}: the statements of it that are missing and that the plan does not bring`,
        },
      ];

const schemaOption = ({ folder }: DatabaseFacts): string =>
  folder?.schemaFile ? ` --schema ${shell(folder.schemaFile)}` : '';

/** The tool's own way, and beside it what it writes, for the day the tool itself fails. */
function resolve(
  facts: DatabaseFacts,
  { name, script, state }: TeamMigration,
  as: 'applied' | 'rolled-back',
  why: string,
): NextCommand {
  const table = facts.histories.find(({ tool }) => tool === 'prisma')?.ident ?? '"_prisma_migrations"';
  const rolledBack = `update ${table} set rolled_back_at = now() where migration_name = ${literal(name)} and finished_at is null and rolled_back_at is null`;
  const applied = `insert into ${table} (id, checksum, finished_at, migration_name, started_at, applied_steps_count) values (gen_random_uuid()::text, ${literal(script?.sha256 ?? '')}, now(), ${literal(name)}, now(), 0)`;
  const statements = [
    ...(as === 'rolled-back' || state === 'failed' ? [rolledBack] : []),
    ...(as === 'applied' ? [applied] : []),
  ];
  return {
    command: `npx prisma migrate resolve --${as} ${shell(name)}`,
    why: `${name}: ${why}`,
    instead: `psql "$DATABASE_URL" -c ${shell(statements.join('; '))}`,
  };
}

function ours(facts: DatabaseFacts, scenario: Scenario): NextCommand[] {
  if (scenario === 'done') return [];
  const plan = shell(facts.planFile);
  const setUp = facts.installed
    ? []
    : [
        {
          command: 'highwater init',
          why: `makes schema highwater; with access roles of their own, first let an administrator run: highwater init ${plan} --print-grants`,
        },
      ];
  const about: Partial<Record<Scenario, string>> = {
    underWay: `goes on from what is stored (phase ${facts.registered?.phase ?? ''})`,
    filled: 'nothing is left to fill: bridges, verifies every value, enforces NOT NULL',
    enforced: 'nothing is left to enforce: verifies, and adds what the plan names beside',
    partlyEnforced: 'adopts what stands, fills and enforces the rest',
  };
  return [
    ...grants(facts),
    ...setUp,
    {
      command: `highwater preflight ${plan}`,
      why: 'reads only; exit code 3 and the way out when something is in the way',
    },
    ...(fills.includes(scenario)
      ? [
          {
            command: `highwater forecast ${plan}`,
            why: 'reads only; how many rows each way through the rule fills, and which get no value and why',
          },
        ]
      : []),
    {
      command: `highwater run ${plan} --cutover --yes`,
      why: about[scenario] ?? 'fills, bridges, verifies and enforces NOT NULL beside the running application',
    },
    {
      command: `highwater run ${plan} --cutover --finish${facts.stream ? '' : ' --bridge-unused'} --yes`,
      why: `once the application version that sets the column is deployed everywhere: takes down what is ours${facts.stream ? ', as soon as nobody needed the bridge for a whole window' : '; nobody reports without a stream, so be sure of it'}`,
    },
  ];
}

/** Those in which rows are still without a value that a run would give. */
const fills: readonly Scenario[] = ['new', 'columnsMissing', 'columnsThere', 'partlyEnforced'];

const grants = ({ missingGrants }: DatabaseFacts): NextCommand[] =>
  missingGrants.length === 0
    ? []
    : [
        {
          command: `psql "$ADMIN_DATABASE_URL" <<'SQL'\n${missingGrants.map((sql) => `${sql};`).join('\n')}\nSQL`,
          why: 'as an administrator: privileges that our roles lack for this plan',
        },
      ];

/** What the plan brought is recorded with the tool too, so that it finds nothing pending and runs nothing twice. */
const afterwards = (facts: DatabaseFacts, open: readonly Judged[]): NextCommand[] =>
  open
    .filter(({ migration: { tool, state, script }, covered, shared, needed }) => {
      if (tool !== 'prisma' || !script || script.proof.unknown.length > 0) return false;
      const runBefore = needed || (state === 'failed' && script.proof.applied === 'part');
      return runBefore ? shared : covered;
    })
    .map(({ migration }) => {
      // `before` has marked it as rolled back by then
      const undone = migration.state === 'failed' && migration.script?.proof.applied === 'nothing';
      return resolve(
        facts,
        undone ? { ...migration, state: 'rolledBack' } : migration,
        'applied',
        'what it does, the plan has done by then; running it would be harmless, and hold its locks for nothing',
      );
    });

function looks(facts: DatabaseFacts): NextCommand[] {
  const tool = facts.folder?.tool ?? facts.histories[0]?.tool;
  const asked: Partial<Record<string, NextCommand>> = {
    prisma: { command: 'npx prisma migrate status', why: 'expected: Database schema is up to date!' },
    knex: { command: 'npx knex migrate:status', why: 'expected: nothing pending' },
  };
  const status = tool === undefined ? undefined : asked[tool];
  return [...(status ? [status] : []), check(facts)];
}

const check = ({ planFile, folder }: DatabaseFacts): NextCommand => ({
  command: `highwater doctor --plan ${shell(planFile)}${folder ? ` --migrations-dir ${shell(folder.path)}` : ''}`,
  why: 'looks again; exit code 0 when everything is in place',
});

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
