import {
  countCreatedEntities,
  countUnfillableEntities,
  readEntityPasses,
  type Access,
  type EntityPass,
} from '@highwater/target-db';
import type { EntityStatus } from './port.js';
import type { ProcessState } from './process-state.js';

/** What is known of the entities in one round. */
export interface EntitiesSeen {
  readonly passes: readonly EntityPass[];
  readonly unfillable: ReadonlyMap<number, Readonly<Record<string, number>>>;
  readonly created: ReadonlyMap<number, number>;
}

/** Counting what was made reads a record of each: for a status that is asked for twice a second, about a twentieth of the time. */
const idleFactor = 20;
const countEveryMsMin = 2_000;

export const noEntities: EntitiesSeen = { passes: [], unfillable: new Map(), created: new Map() };

export async function readEntities(state: Access, process: ProcessState): Promise<EntitiesSeen> {
  if (process.entities.length === 0) return noEntities;
  const [passes, unfillable] = await Promise.all([
    readEntityPasses(state, process.id),
    countUnfillableEntities(state, process.id),
  ]);
  const began = performance.now();
  const last = process.entitiesCounted;
  if (last && began < last.dueAtMs) return { passes, unfillable, created: last.created };
  const created = await countCreatedEntities(state, process.id);
  const tookMs = performance.now() - began;
  process.entitiesCounted = { created, dueAtMs: began + Math.max(countEveryMsMin, tookMs * idleFactor) };
  return { passes, unfillable, created };
}

/** One line of the status for each entity of the plan. Pure. */
export function entityStatus(process: ProcessState, { passes, unfillable, created }: EntitiesSeen): EntityStatus[] {
  return process.entities.map(({ entityNo, entity }): EntityStatus => {
    const pass = passes.find((one) => one.entityNo === entityNo);
    return {
      table: nameOf(entity.table),
      from: nameOf(entity.source),
      createdBy: entity.createdBy,
      created: created.get(entityNo) ?? 0,
      pass: pass?.pass ?? null,
      passDone: pass?.done ?? false,
      sourcesSeen: pass?.sourcesSeen ?? 0,
      sourcesExpected: Math.max(pass?.sourcesExpected ?? 0, pass?.sourcesSeen ?? 0),
      missing: pass?.missing ?? null,
      unfillable: Object.values(unfillable.get(entityNo) ?? {}).reduce((a, b) => a + b, 0),
    };
  });
}

export const nameOf = ({ schema, name }: { schema: string; name: string }): string => `${schema}.${name}`;
