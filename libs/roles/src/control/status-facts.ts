import { readDdlSteps, readFenceWaitMs, readWorkers, type Access } from '@highwater/target-db';
import type { StatusInput } from './status.js';

/** What only the status shows; nothing is decided on it. */
export async function readStatusFacts(
  state: Access,
  migrationId: string,
  epoch: number,
): Promise<Pick<StatusInput, 'ddlSteps' | 'workers' | 'fenceWaitMs'>> {
  const [ddlSteps, workers, fenceWaitMs] = await Promise.all([
    readDdlSteps(state, migrationId),
    readWorkers(state, migrationId),
    readFenceWaitMs(state, migrationId, epoch),
  ]);
  return { ddlSteps, workers, fenceWaitMs };
}
