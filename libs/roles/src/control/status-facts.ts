import { readBackup, readDdlSteps, readFenceWaitMs, readWorkers, type Access } from '@highwater/target-db';
import type { StatusInput } from './status.js';

/** What only the status shows; nothing is decided on it. */
export async function readStatusFacts(
  state: Access,
  migrationId: string,
  epoch: number,
): Promise<Pick<StatusInput, 'ddlSteps' | 'workers' | 'fenceWaitMs' | 'backup'>> {
  const [ddlSteps, workers, fenceWaitMs, backup] = await Promise.all([
    readDdlSteps(state, migrationId),
    readWorkers(state, migrationId),
    readFenceWaitMs(state, migrationId, epoch),
    readBackup(state),
  ]);
  return { ddlSteps, workers, fenceWaitMs, backup };
}
