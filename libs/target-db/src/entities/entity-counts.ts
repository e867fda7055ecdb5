import type { Access } from '../session/database.js';

/** Open entries of sources without their entity, by number of the entity and reason. */
export async function countUnfillableEntities(
  state: Access,
  migrationId: string,
): Promise<ReadonlyMap<number, Readonly<Record<string, number>>>> {
  const rows = await state.query<{ entity_no: number; reasons: Record<string, number> }>(
    'counting unfillable entities',
    `select entity_no, jsonb_object_agg(reason, n) as reasons
       from (select entity_no, reason, count(*) as n from highwater.unfillable_entity
              where migration_id = $1 and closed_at is null group by 1, 2) as u group by entity_no`,
    [migrationId],
  );
  return new Map(rows.map((row) => [row.entity_no, row.reasons]));
}

/** Rows that the migration has made, by number of the entity: by passes, hints and the bridge. Reads every record of them. */
export async function countCreatedEntities(state: Access, migrationId: string): Promise<ReadonlyMap<number, number>> {
  const rows = await state.query<{ entity_no: number; n: string }>(
    'counting the entities made',
    `select entity_no, count(*)::text as n from highwater.created_entity where migration_id = $1 group by entity_no`,
    [migrationId],
  );
  return new Map(rows.map((row) => [row.entity_no, Number(row.n)]));
}
