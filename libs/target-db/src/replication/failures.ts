import { messageOf } from '@highwater/kernel';
import type { BrokenStream } from '@highwater/change-stream';
import { isSqlstate, sqlstate, sqlstateOf } from '../session/sqlstate.js';

/**
 * What an error of the replication connection means. `standby`: another relay has the slot. `broken`: this slot will never give us
 * these changes, only a new epoch helps. `retry`: the server keeps the WAL, connect again.
 */
export type ReplicationFailure =
  | { readonly kind: 'standby' }
  | { readonly kind: 'broken'; readonly broken: BrokenStream }
  | { readonly kind: 'retry'; readonly message: string };

const walFileMissing = '58P01'; // undefined_file: "requested WAL segment … has already been removed"

export function classifyReplicationFailure(error: unknown, slot: string): ReplicationFailure {
  const message = messageOf(error);
  const broken = (reason: BrokenStream['reason'], text: string): ReplicationFailure => ({
    kind: 'broken',
    broken: { reason, message: text },
  });
  if (isSqlstate(error, sqlstate.objectInUse)) return { kind: 'standby' };
  if (isSqlstate(error, sqlstate.undefinedObject))
    return /replication slot/.test(message)
      ? broken(
          'SlotMissing',
          `replication slot ${slot} does not exist; changes since it was dropped were not sent: ${message}`,
        )
      : broken(
          'PublicationMissing',
          `decoding failed for good on slot ${slot}: ${message} (SQLSTATE ${sqlstate.undefinedObject})`,
        );
  if (isSqlstate(error, sqlstate.objectNotInPrerequisiteState, walFileMissing))
    return broken('SlotLost', `replication slot ${slot} can no longer be read: ${message}`);
  if (isSqlstate(error, sqlstate.featureNotSupported))
    return broken(
      'DecodingFailed',
      `decoding failed for good on slot ${slot}: ${message} (SQLSTATE ${sqlstate.featureNotSupported})`,
    );
  const state = sqlstateOf(error);
  return { kind: 'retry', message: state ? `${message} (SQLSTATE ${state})` : message };
}
