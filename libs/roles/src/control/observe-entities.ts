import type { EntitiesSeen as ObservedEntities, LiveMigration } from '@highwater/migration';
import { isHeld } from './held-entities.js';
import { nameOf, type EntitiesSeen } from './entity-status.js';
import type { ProcessState } from './process-state.js';

/** What readiness is told of the entities: a count from before the bridge says nothing about sources that came until it was there. */
export function entitiesSeen(process: ProcessState, state: LiveMigration, seen: EntitiesSeen): ObservedEntities {
  const bridgedAt = state.bridge === null ? -Infinity : Date.parse(state.bridge.at);
  return {
    perEntity: process.entities.map(({ entityNo, entity }) => {
      const pass = seen.passes.find((one) => one.entityNo === entityNo);
      const counts = pass?.countedAt && pass.countedAt.getTime() > bridgedAt;
      return {
        table: nameOf(entity.table),
        from: nameOf(entity.source),
        createdBy: entity.createdBy,
        missing: counts ? pass.missing : null,
      };
    }),
  };
}

/** Open entries that the plan holds, by the entity's table; adds them to `byReason`, for whoever must repair them looks at one list. */
export function listedEntities(
  process: ProcessState,
  { unfillable }: EntitiesSeen,
  byReason: Record<string, number>,
): Record<string, number> {
  const byTable: Record<string, number> = {};
  for (const { entityNo, entity } of process.entities)
    for (const [reason, count] of Object.entries(unfillable.get(entityNo) ?? {})) {
      if (!isHeld(process, entityNo, reason)) continue;
      byReason[reason] = (byReason[reason] ?? 0) + count;
      byTable[nameOf(entity.table)] = (byTable[nameOf(entity.table)] ?? 0) + count;
    }
  return byTable;
}
