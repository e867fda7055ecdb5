import type { Effect } from './effects.js';
import { hasColumn, type DatabaseFacts, type TargetFacts, type TeamMigration } from './facts.js';

/** What a migration of the team that is not applied means for this plan. */
export interface Judged {
  readonly migration: TeamMigration;
  /** Adds a target column that is missing, so it comes before anything else. */
  readonly needed: boolean;
  /** Statements of it that are missing and can be run before the plan. */
  readonly own: readonly string[];
  /** It holds a NOT NULL that only the plan can bring. */
  readonly shared: boolean;
  /** The plan brings all that is missing: after the run it can be marked as applied. */
  readonly covered: boolean;
  /** Would change a target while it is being filled. */
  readonly touches: boolean;
}

/** Those that are not applied, in the order of their names: failed, rolled back, or only in the folder. */
export const openMigrations = (facts: DatabaseFacts): readonly Judged[] =>
  facts.team.filter(({ state }) => state !== 'applied').map((migration) => judge(migration, facts.targets));

function judge(migration: TeamMigration, targets: readonly TargetFacts[]): Judged {
  const proof = migration.script?.proof;
  if (!proof) {
    const named = targets.filter(({ table }) => migration.mentions.includes(table));
    const needed = named.some((target) => !hasColumn(target) && !target.addColumn);
    return { migration, needed, own: [], shared: false, covered: false, touches: !needed && named.length > 0 };
  }
  const { missing } = proof;
  const brought = missing.filter((effect) => targets.some((target) => brings(target, effect)));
  // all else can be run at once: this one fails while rows are without a value
  const deferred = brought.filter(({ kind }) => kind === 'notNull');
  const own = [...new Set(missing.filter((effect) => !deferred.includes(effect)).map(({ sql }) => sql))];
  return {
    migration,
    needed: missing.some((effect) => targets.some((target) => adds(effect, target) && !target.addColumn)),
    own,
    shared: deferred.length > 0,
    covered: proof.unknown.length === 0 && missing.length > 0 && brought.length === missing.length,
    touches: missing.some((effect) => targets.some((target) => isOn(effect, target) && hasColumn(target))),
  };
}

const isOn = (effect: Effect, target: TargetFacts): boolean =>
  effect.schema === target.schema &&
  effect.table === target.name &&
  (effect.kind === 'table' || ('name' in effect && effect.name === target.column));

const adds = (effect: Effect, target: TargetFacts): boolean =>
  effect.kind === 'column' && !effect.gone && isOn(effect, target) && !hasColumn(target);

/** Whether the end state of the plan has what the effect would leave. */
export function brings(target: TargetFacts, effect: Effect): boolean {
  if (effect.gone || effect.schema !== target.schema || effect.table !== target.name) return false;
  if (effect.kind === 'notNull') return target.notNull && effect.name === target.column;
  if (effect.kind === 'column') return target.addColumn && effect.name === target.column;
  if (effect.kind === 'index') return effect.name in target.indexes;
  return (
    effect.kind === 'constraint' && target.references !== null && effect.name === `${target.name}_${target.column}_fkey`
  );
}
