import { unfillableReasons } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import { policyOf, type UnfillablePolicy } from '@highwater/plan';
import type { ControlContext } from './context.js';
import type { Page, UnfillableListFilter, UnfillableRowView } from './port.js';
import { entitiesOf } from './planned-entities.js';
import { readPlan } from './resolve.js';
import { entriesNamed } from './targets-named.js';

const pageRowsMax = 1_000;

interface EntryRow extends Record<string, unknown> {
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

/*
 * $2: numbers of targets and, from −1 down, of entities; $3: reason; $4: policy; $5, $6: the pairs of target and reason that the plan holds. A filled row that keeps a
 * unique index of the plan from being built is held whatever the plan says of rows without a value, and so is a source whose entity cannot be made.
 */
const entries = `select * from (
    select u.*, case when u.collides or u.target_no < 0 or (u.target_no, u.reason) in (select * from unnest($5::int[], $6::text[])) then 'hold' else 'leaveNull' end as policy
      from (select target_no, key, reason, sqlstate, constraint_name, attempts, first_seen, last_seen, false as collides from highwater.unfillable_row
             where migration_id = $1 and closed_at is null
            union all
            select -1 - entity_no, source_key, reason, sqlstate, constraint_name, attempts, first_seen, last_seen, false from highwater.unfillable_entity
             where migration_id = $1 and closed_at is null
            union all
            select target_no, key, 'UniqueConflict', '23505', index_name, 1, found_at, found_at, true from highwater.index_collision where migration_id = $1) as u
  ) as e where target_no = any($2::int[]) and ($3::text is null or reason = $3) and ($4::text is null or policy = $4)`;

function parametersOf(id: string, state: LiveMigration, filter: UnfillableListFilter): unknown[] {
  const { plan } = readPlan(state.planSource).parsed;
  const named = entriesNamed(id, state.targets, entitiesOf(plan), filter.table);
  const held = plan.tables.flatMap((entry, targetNo) =>
    unfillableReasons.filter((reason) => policyOf(entry, reason) === 'hold').map((reason) => ({ targetNo, reason })),
  );
  return [
    id,
    [...named.targets, ...named.entities.map((entityNo) => -1 - entityNo)],
    filter.reason ?? null,
    filter.policy ?? null,
    held.map(({ targetNo }) => targetNo),
    held.map(({ reason }) => reason),
  ];
}

/** Open entries, oldest first. Keys only: never another value of the row. */
export async function listUnfillable(
  context: ControlContext,
  id: string,
  state: LiveMigration,
  page: Page & UnfillableListFilter,
): Promise<readonly UnfillableRowView[]> {
  const rows = await context.database.state.query<EntryRow>(
    'listing unfillable rows',
    `${entries} order by first_seen, target_no, key limit $7 offset $8`,
    [...parametersOf(id, state, page), Math.min(page.limit, pageRowsMax), page.offset],
  );
  return rows.map(viewOf(state));
}

/** The same entries by table and key, each page from where the last one ended: one that is closed meanwhile shifts no other. */
async function* pages(
  context: ControlContext,
  state: LiveMigration,
  parameters: readonly unknown[],
): AsyncGenerator<readonly UnfillableRowView[]> {
  for (let after: readonly unknown[] = [null, null, null]; ;) {
    const rows: EntryRow[] = await context.database.state.query<EntryRow>(
      'exporting unfillable rows',
      `${entries} and ($7::int is null or (target_no, key, collides) > ($7::int, $8::text[], $9::bool)) order by target_no, key, collides limit ${pageRowsMax}`,
      [...parameters, ...after],
    );
    if (rows.length > 0) yield rows.map(viewOf(state));
    const last = rows.at(-1);
    if (!last || rows.length < pageRowsMax) return;
    after = [last.target_no, last.key, last.collides];
  }
}

/** Judges the filter at once, so that a table that is none is told before anything is sent. */
export const exportUnfillable = (
  context: ControlContext,
  id: string,
  state: LiveMigration,
  filter: UnfillableListFilter,
): AsyncIterable<readonly UnfillableRowView[]> => pages(context, state, parametersOf(id, state, filter));

function viewOf({ targets, planSource }: LiveMigration): (row: EntryRow) => UnfillableRowView {
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
