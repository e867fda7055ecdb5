import { sameType } from '@highwater/derivation';
import { columnOf, hasColumn, nullsAtMost, type DatabaseFacts, type EntityFacts, type TargetFacts } from './facts.js';

/**
 * What state the database is in, from the plan's point of view. A and B are the words of the papers; the others go on from there.
 *
 * ```
 * refused            the plan cannot be carried out on these tables
 * new                columns are missing and the plan adds them
 * B columnsMissing ─▶ A columnsThere ─▶ C filled ─▶ D partlyEnforced ─▶ E enforced ─▶ done
 * F underWay         a run of this plan was begun and is not finished; it goes on from what is stored
 * ```
 */
export const scenarios = {
  refused: { letter: 'X', means: 'the plan does not fit this database; nothing can be run until it does' },
  new: { letter: 'N', means: 'nothing is there yet; the plan adds the columns itself' },
  columnsMissing: {
    letter: 'B',
    means: 'target columns are missing: the migration that adds them did not take place, or only in part',
  },
  columnsThere: { letter: 'A', means: 'the target columns are there and nullable; rows are without a value' },
  filled: { letter: 'C', means: 'every row has a value, and nothing holds new rows to it yet' },
  partlyEnforced: { letter: 'D', means: 'NOT NULL stands on some of the tables' },
  enforced: { letter: 'E', means: 'NOT NULL stands everywhere; something else that the plan names is missing' },
  underWay: { letter: 'F', means: 'a run of this plan was begun here and is not finished' },
  done: { letter: 'G', means: 'everything that the plan asks for is in place' },
} as const;
export type Scenario = keyof typeof scenarios;

/** Decides from facts alone. The first that fits, in this order. */
export function scenarioOf(facts: DatabaseFacts): Scenario {
  if (obstacles(facts).length > 0) return 'refused';
  const stage = stageOf(facts);
  // once all is in place the plan has had its day: the team may take away what its rules read
  return stage !== 'done' && facts.misfits.length > 0 ? 'refused' : stage;
}

function stageOf(facts: DatabaseFacts): Exclude<Scenario, 'refused'> {
  const { targets, entities, registered } = facts;
  if (registered && registered.phase !== 'finished') return 'underWay';
  const missing = targets.filter((target) => !hasColumn(target));
  if (missing.some(({ addColumn }) => !addColumn)) return 'columnsMissing';
  if (missing.length > 0) return 'new';
  const toEnforce = targets.filter(({ notNull }) => notNull);
  const enforced = toEnforce.filter((target) => columnOf(target)?.notNull === true);
  if (enforced.length === toEnforce.length && (toEnforce.length > 0 || isFilled(targets)))
    return targets.every((target) => missingOf(target).length === 0) &&
      entities.every((entity) => missingIndexes(entity).length === 0) &&
      !ownLeft(facts)
      ? 'done'
      : 'enforced';
  if (enforced.length > 0) return 'partlyEnforced';
  return isFilled(targets) ? 'filled' : 'columnsThere';
}

const isFilled = (targets: readonly TargetFacts[]): boolean =>
  targets.every((target) => !target.notNull || nullsAtMost(target.nulls) === 0);

const ownLeft = ({ leftovers }: DatabaseFacts): boolean => leftovers.some(({ own }) => own);

/** What makes a plan impossible here, each with the way out. */
export function obstacles({
  targets,
  entities,
  missingTables,
  registered,
  migration,
}: DatabaseFacts): readonly string[] {
  return [
    ...missingTables.map(
      (table) => `table ${table} does not exist; mend the plan, or run the migration of yours that creates it`,
    ),
    ...targets.flatMap((target) => {
      const column = columnOf(target);
      if (!column || sameType(column.type, target.type)) return [];
      return [
        `${target.table}.${target.column} is ${column.type}, the plan says ${target.type}; say type: ${column.type} if that is what your rule gives, or change the column`,
      ];
    }),
    ...[...targets, ...entities].flatMap(otherIndexes),
    ...(registered && !registered.samePlan
      ? [
          `another plan is registered as "${migration}" (phase ${registered.phase}); a plan never changes: go on with that one, or give this one another name`,
        ]
      : []),
  ];
}

type Indexed = Pick<TargetFacts | EntityFacts, 'shape' | 'indexes' | 'unique'>;

/** Indexes that have a name of the plan and are something else. */
const otherIndexes = ({ shape, indexes, unique, table }: Indexed & { readonly table: string }): string[] =>
  Object.entries(indexes).flatMap(([name, columns]) => {
    const found = shape?.indexes.find((one) => one.name === name);
    const isSame =
      found?.partial === false &&
      found.unique === unique.includes(name) &&
      JSON.stringify(found.columns) === JSON.stringify(columns);
    if (!found || isSame) return [];
    return [
      `index ${name} of ${table} is there already and is another than the plan's (${columns.join(', ')}): ${found.definition}; drop it or give the plan's another name`,
    ];
  });

/** What the plan names beside NOT NULL and is not there yet, or not usable. */
export function missingOf(target: TargetFacts): readonly string[] {
  const { shape, column, references, table } = target;
  if (!shape) return [];
  const parent = references && `${references.schema}.${references.name}`;
  const key = shape.constraints.find(
    (one) => one.kind === 'f' && one.parent === parent && one.columns.length === 1 && one.columns[0] === column,
  );
  return [
    ...(parent === null || key?.validated === true
      ? []
      : [key ? `foreign key ${key.name} is not validated` : `${table}.${column} has no foreign key to ${parent}`]),
    ...missingIndexes(target),
  ];
}

export const missingIndexes = ({ shape, indexes }: Indexed): readonly string[] =>
  Object.keys(indexes).flatMap((name) => {
    const found = shape?.indexes.find((one) => one.name === name);
    if (found?.valid === true) return [];
    return [found ? `index ${name} is invalid` : `index ${name} is missing`];
  });
