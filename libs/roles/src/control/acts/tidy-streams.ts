import { isHighwaterError } from '@highwater/kernel';
import {
  dropPublication,
  dropSlot,
  listStreamObjects,
  sessionCodes,
  streamCodes,
  type StreamObject,
} from '@highwater/target-db';
import type { ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

/** A stranger's reader is not waited for: the slot is told of, and tried again. A relay of ours that has just left is. */
const strangerAttempts = 3;
/** A stranger owns it, or reads it: asking again does not help. */
const strangers: ReadonlySet<string> = new Set([sessionCodes.noPrivilege, streamCodes.slotInUse]);

/**
 * Takes away slots and publications of epochs that are over. An object that we may not drop, since it is a stranger's, stays and keeps
 * nothing else from going on: `strayMessage` says so wherever the migration is looked at.
 */
export async function tidyStreams(
  { database, logger }: ControlContext,
  process: ProcessState,
  { before }: { before: number },
): Promise<void> {
  const over = (await listStreamObjects(database.state, process.short)).filter((one) => one.epoch < before);
  for (const one of over) {
    try {
      if (one.kind === 'slot') await dropSlot(database.stream, one.name, undefined, strangerAttempts);
      else await dropPublication(database.ddl, one.name);
    } catch (error) {
      if (!isHighwaterError(error) || !strangers.has(error.code)) throw error;
      logger.warn({ migrationId: process.id, [one.kind]: one.name, reason: error.message }, strayMessage(one));
    }
  }
}

/** What an operator is told of an object that bears our name and is not of the present stream. */
export const strayMessage = (stray: StreamObject): string =>
  stray.kind === 'slot'
    ? `slot ${stray.name} of an earlier epoch keeps WAL and could not be dropped: select pg_drop_replication_slot('${stray.name}')`
    : `publication ${stray.name} belongs to role ${stray.owner ?? '?'} and is not of this stream: drop publication "${stray.name}"`;
