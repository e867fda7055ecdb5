import type { NullCount } from '@highwater/target-db';
import { columnOf, type DatabaseFacts, type EntityFacts, type TargetFacts, type TeamMigration } from './facts.js';
import { describeEffect } from './proof.js';
import { missingIndexes, missingOf, obstacles, scenarioOf } from './scenario.js';
import { openMigrations } from './team-migrations.js';

/** One thing that was found, in plain words. */
export interface DatabaseFinding {
  readonly kind: 'fact' | 'warning' | 'obstacle';
  /** Where: a table of the plan, a migration of the team, or what of ours. */
  readonly on: string;
  readonly message: string;
}

/** Everything that was found, the plan's tables first. Pure. */
export function findingsOf(facts: DatabaseFacts): readonly DatabaseFinding[] {
  return [
    ...obstacles(facts).map((message): DatabaseFinding => ({ kind: 'obstacle', on: 'plan', message })),
    ...facts.misfits.map(({ on, message }): DatabaseFinding => ({
      kind: isDone(facts) ? 'warning' : 'obstacle',
      on,
      message,
    })),
    ...facts.targets.flatMap(ofTarget),
    ...facts.entities.flatMap(ofEntity),
    ...(isDone(facts) ? [] : ofPrivileges(facts)),
    ...ofTools(facts),
    ...ofOurs(facts),
  ];
}

const isDone = (facts: DatabaseFacts): boolean => scenarioOf(facts) === 'done';

function ofEntity(entity: EntityFacts): DatabaseFinding[] {
  const { table, from, identity, createdBy, shape } = entity;
  if (!shape) return [];
  const fact = (message: string): DatabaseFinding => ({ kind: 'fact', on: table, message });
  const maker = createdBy === 'highwater' ? 'made by the run where one is missing' : 'made by the application alone';
  return [
    fact(`entity of ${from}, one for each (${identity.join(', ')}); ${maker}`),
    ...missingIndexes(entity).map((message) => fact(`${message}; the plan makes it`)),
  ];
}

function ofPrivileges({ missingGrants }: DatabaseFacts): DatabaseFinding[] {
  const [first, ...more] = missingGrants;
  if (first === undefined) return [];
  const message = `our roles lack privileges that the plan needs: ${first}${more.length === 0 ? '' : `, and ${more.length} more`}`;
  return [{ kind: 'warning', on: 'privileges', message }];
}

function ofTarget(target: TargetFacts): DatabaseFinding[] {
  const { shape, table, column } = target;
  if (!shape) return [];
  const fact = (message: string): DatabaseFinding => ({ kind: 'fact', on: table, message });
  const warn = (message: string): DatabaseFinding => ({ kind: 'warning', on: table, message });
  const found = columnOf(target);
  if (!found)
    return [
      target.addColumn
        ? fact(`column ${column} is missing; the plan adds it (${target.type}, nullable)`)
        : warn(`column ${column} is missing`),
    ];
  const keys = shape.constraints.filter((one) => one.kind === 'f' && one.columns.includes(column));
  const indexes = shape.indexes.filter((one) => one.columns.includes(column));
  return [
    fact(
      `column ${column} is there: ${found.type}, ${found.notNull ? 'NOT NULL' : 'nullable'}${found.hasDefault ? ', with a default, which new rows get instead of the rule' : ''}`,
    ),
    fact(nullsInWords(target.nulls, column)),
    ...keys.map(({ name, definition, validated }) =>
      (validated ? fact : warn)(`foreign key ${name}: ${definition}${validated ? ', validated' : ''}`),
    ),
    ...indexes.map(({ name, unique, valid, columns }) =>
      (valid ? fact : warn)(
        `${unique ? 'unique index' : 'index'} ${name} (${columns.map((one) => one ?? 'an expression').join(', ')}): ${valid ? 'valid' : 'INVALID, it serves nothing and is built again'}`,
      ),
    ),
    ...missingOf(target)
      .filter((message) => !/invalid|validated/.test(message))
      .map((message) => fact(`${message}; the plan makes it`)),
  ];
}

function nullsInWords(nulls: NullCount | undefined, column: string): string {
  if (!nulls) return `rows without ${column}: not counted`;
  if (nulls.kind === 'unreadable') return `rows without ${column} could not be counted: ${nulls.why}`;
  if (nulls.kind === 'exact') return `${nulls.nulls} of ${nulls.rows} rows have no ${column} (counted)`;
  return `between ${nulls.low} and ${nulls.high} of about ${Math.round(nulls.rows)} rows have no ${column} (estimated, 95 %, from ${nulls.sampled} rows)`;
}

function ofTools(facts: DatabaseFacts): DatabaseFinding[] {
  const tables = facts.histories.map((table): DatabaseFinding => {
    const count = (state: TeamMigration['state']): number =>
      table.migrations.filter((one) => one.state === state).length;
    const on = `${table.schema}.${table.name}`;
    if (table.unreadable !== null)
      return {
        kind: 'warning',
        on,
        message: `looks like ${table.tool}'s record, and could not be read: ${table.unreadable}`,
      };
    return {
      kind: table.locked === true ? 'warning' : 'fact',
      on,
      message: `${table.tool}'s record: ${count('applied')} applied, ${count('failed')} failed, ${count('rolledBack')} rolled back${table.locked === true ? '; its lock is taken: somebody migrates now, or died doing so (npx knex migrate:unlock, when nobody does)' : ''}`,
    };
  });
  const migrations = openMigrations(facts).flatMap(({ migration, touches, needed }): DatabaseFinding[] => {
    const { name, state, script } = migration;
    const said = { failed: 'failed', rolledBack: 'marked as rolled back', pending: 'not run here yet', applied: '' }[
      state
    ];
    const proof = script?.proof;
    const seen = ((): string => {
      if (!proof)
        return state === 'pending'
          ? ''
          : '; its script is not at hand (--migrations-dir), so nobody can tell what it left';
      const { applied, present, missing, unknown } = proof;
      if (applied === 'unproved')
        return `; the catalog cannot show all that it does (${unknown.join('; ') || 'no statement'}): look by hand`;
      if (applied === 'nothing') return '; nothing of it is in the database';
      if (applied === 'all') return '; all of it is in the database';
      return `; in part: there are ${present.map(describeEffect).join(', ')}; missing ${missing.map(describeEffect).join(', ')}`;
    })();
    const startUp =
      touches && !needed
        ? ' It changes a table of this plan: while it can still fail, keep services that migrate at their start from running it (it would fail, and with it their start)'
        : '';
    const edited = migration.edited === true ? ' Its file was changed since it was begun.' : '';
    return [
      {
        kind: state === 'failed' || touches ? 'warning' : 'fact',
        on: name,
        message: `${said}${seen}.${startUp}${edited}`.replace(/^; /, ''),
      },
    ];
  });
  return [...tables, ...migrations];
}

function ofOurs(facts: DatabaseFacts): DatabaseFinding[] {
  const { registered, migration, othersLiving, leftovers, atWork } = facts;
  const own = leftovers.filter((one) => one.own);
  const others = leftovers.filter((one) => !one.own);
  const names = (list: DatabaseFacts['leftovers']): string =>
    list.map(({ kind, name }) => `${kind} ${name}`).join(', ');
  return [
    ...(registered ? [fact(migration, `is registered here, in phase ${registered.phase}`)] : []),
    ...(atWork.length > 0 ? [fact('processes', `at work now: ${atWork.join(', ')}`)] : []),
    ...othersLiving.map((id) => fact(id, 'is another migration that lives in this database')),
    ...(own.length > 0 && (!registered || registered.phase === 'finished')
      ? [fact(migration, `left of an earlier run of this plan, and adopted by the next: ${names(own)}`)]
      : []),
    ...(others.length > 0
      ? [
          {
            kind: 'warning',
            on: 'leftovers',
            message: `of migrations that nobody knows any more: ${names(others)}; highwater doctor prints what removes them`,
          } as const,
        ]
      : []),
  ];
}

const fact = (on: string, message: string): DatabaseFinding => ({ kind: 'fact', on, message });
