import { unfillableReasons, type UnfillableReason } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import { entityPolicyOf, policyOf, type UnfillablePolicy } from '@highwater/plan';
import type { Place } from './cursor.js';
import { entitiesOf } from './planned-entities.js';
import type { UnfillableListFilter, UnfillableRowView } from './port.js';
import { readPlan } from './resolve.js';
import { entriesNamed } from './targets-named.js';

export interface EntryRow extends Record<string, unknown> {
  /** Of an entity −1 − its number: one order over everything that is listed. */
  target_no: number;
  key: string[];
  reason: string;
  policy: UnfillablePolicy;
  sqlstate: string | null;
  constraint_name: string | null;
  attempts: number;
  first_seen: Date;
  last_seen: Date;
  collides: boolean;
}

/** One of the lists that make up the whole: rows without a value, sources whose entity is refused, rows that collide in an index of the plan. */
export interface EntrySource {
  /** Select list of an EntryRow without its policy, of the open entries of migration $1. */
  readonly list: string;
  /** The column that numbers target or entity. */
  readonly number: string;
  /** The order of its own index within one number, and what comes after an entry: $7 and on are its `place`. */
  readonly order: {
    readonly by: string;
    readonly after: string;
    place(last: EntryRow): Place['at'];
    isPlace(at: Place['at']): boolean;
  };
}

const byKey: EntrySource['order'] = {
  by: 'key',
  after: 'key > $7::text[]',
  place: ({ key }) => [key],
  isPlace: ([key, ...others]) => typeof key === 'object' && others.length === 0,
};

export const entrySources = {
  rows: {
    list: `select target_no, key, reason, sqlstate, constraint_name, attempts, first_seen, last_seen, false as collides
             from highwater.unfillable_row where migration_id = $1 and closed_at is null`,
    number: 'target_no',
    order: byKey,
  },
  entities: {
    list: `select -1 - entity_no as target_no, source_key as key, reason, sqlstate, constraint_name, attempts, first_seen, last_seen, false as collides
             from highwater.unfillable_entity where migration_id = $1 and closed_at is null`,
    number: 'entity_no',
    order: byKey,
  },
  collisions: {
    list: `select target_no, key, 'UniqueConflict' as reason, '23505' as sqlstate, index_name as constraint_name, 1 as attempts,
                  found_at as first_seen, found_at as last_seen, true as collides
             from highwater.index_collision where migration_id = $1`,
    number: 'target_no',
    order: {
      by: 'constraint_name, key',
      after: '(constraint_name, key) > ($7::text, $8::text[])',
      place: ({ constraint_name, key }) => [constraint_name ?? '', key],
      isPlace: ([name, key, ...others]) => typeof name === 'string' && typeof key === 'object' && others.length === 0,
    },
  },
} satisfies Record<string, EntrySource>;

/**
 * $5, $6: the pairs of target or entity and reason that the plan holds. A filled row that keeps a unique index of the plan from being
 * built is held whatever the plan says of rows without a value.
 */
export const withPolicy = (list: string): string =>
  `select u.*, case when u.collides or (u.target_no, u.reason) in (select * from unnest($5::int[], $6::text[])) then 'hold' else 'leaveNull' end as policy
     from (${list}) as u`;

/** What a filter names, and the reasons that the plan holds on each target. Throws HW6020. */
export function namedEntries(id: string, state: LiveMigration, filter: UnfillableListFilter) {
  const { plan } = readPlan(state.planSource).parsed;
  const heldBy = (targetNo: number, policy: (reason: UnfillableReason) => UnfillablePolicy) =>
    unfillableReasons.filter((reason) => policy(reason) === 'hold').map((reason) => ({ targetNo, reason }));
  const held = [
    ...plan.tables.flatMap((entry, targetNo) => heldBy(targetNo, (reason) => policyOf(entry, reason))),
    ...plan.entities.flatMap((entity, no) => heldBy(-1 - no, (reason) => entityPolicyOf(entity, reason))),
  ];
  return { ...entriesNamed(id, state.targets, entitiesOf(plan), filter.table), held };
}

/** What each entry of this migration is shown as. */
export function viewOf({ targets, planSource }: LiveMigration): (row: EntryRow) => UnfillableRowView {
  const entities = entitiesOf(readPlan(planSource).parsed.plan);
  const placeOf = (no: number): Pick<UnfillableRowView, 'table' | 'target' | 'entity'> => {
    const entity = entities[-1 - no];
    if (entity) return { table: entity.from, target: '', entity: entity.table };
    return { table: targets[no]?.table ?? String(no), target: targets[no]?.target ?? '', entity: null };
  };
  return (row) => ({
    ...placeOf(row.target_no),
    key: row.key,
    reason: row.reason,
    policy: row.policy,
    sqlstate: row.sqlstate,
    constraint: row.constraint_name,
    attempts: row.attempts,
    firstSeen: row.first_seen.toISOString(),
    lastSeen: row.last_seen.toISOString(),
  });
}
