import { columnOf, hasColumn, hasPlannedColumn, nullsAtMost, type DatabaseFacts } from './facts.js';
import { missingIndexes, missingOf } from './scenario.js';
import { openMigrations } from './team-migrations.js';

/** One line of the final checklist. `null`: only the team can tell. */
export interface ChecklistLine {
  readonly what: string;
  readonly holds: boolean | null;
}

/** What a team asks itself before and after a deployment, answered by the database where it can. Pure. */
export function checklistOf(facts: DatabaseFacts): readonly ChecklistLine[] {
  const { targets, entities } = facts;
  const open = openMigrations(facts);
  const tool = facts.folder?.tool ?? facts.histories[0]?.tool;
  const enforced = targets.filter(({ notNull }) => notNull);
  return [
    {
      what: `target columns exist, of the plan's type (${targets.length})`,
      holds: targets.every(hasPlannedColumn),
    },
    {
      what: 'no row is without a value',
      holds: enforced.every((target) => hasColumn(target) && nullsAtMost(target.nulls) === 0),
    },
    { what: 'NOT NULL stands', holds: enforced.every((target) => columnOf(target)?.notNull === true) },
    {
      what: 'foreign keys and indexes of the plan are there and valid',
      holds:
        targets.every((target) => hasColumn(target) && missingOf(target).length === 0) &&
        entities.every((entity) => missingIndexes(entity).length === 0),
    },
    ...(tool === undefined
      ? []
      : [
          {
            what: `${tool}'s record has no failed migration`,
            holds: open.every(({ migration }) => migration.state !== 'failed'),
          },
          {
            what: facts.folder
              ? `every migration in ${facts.folder.path} is recorded as applied`
              : 'no migration is pending (say --migrations-dir to know)',
            holds: facts.folder ? open.length === 0 : null,
          },
        ]),
    {
      what: 'nothing of Highwater is left outside its own schema',
      holds: !facts.leftovers.some(({ own }) => own),
    },
    ...(tool === 'prisma' ? [{ what: 'npx prisma generate works', holds: null }] : []),
    { what: 'the build passes, and the application starts without database errors', holds: null },
  ];
}
