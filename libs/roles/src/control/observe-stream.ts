import {
  retentionAlarm,
  type LiveMigration,
  type PublicationSeen,
  type RetentionRate,
  type SlotSeen,
} from '@highwater/migration';
import {
  listStreamObjects,
  publicationFacts,
  slotFacts,
  transactionHolders,
  type StreamInfo,
} from '@highwater/target-db';
import { strayMessage } from './acts/tidy-streams.js';
import type { ControlContext } from './context.js';
import type { MigrationStatusView } from './port.js';
import type { ProcessState } from './process-state.js';

export async function publicationSeen(
  { database }: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  info: StreamInfo,
): Promise<PublicationSeen> {
  const found = await publicationFacts(database.state, info.publication);
  const difference = !found
    ? 'it does not exist'
    : found.oid !== info.publicationOid
      ? 'it was dropped and created again'
      : found.definition !== info.publicationDefinition
        ? 'its definition is another one'
        : '';
  // one of a later epoch is being made right now
  const strays = (await listStreamObjects(database.state, process.short)).filter(
    ({ name, epoch }) => epoch <= state.epoch && name !== info.slot && name !== info.publication,
  );
  return { intact: difference === '', difference, strays: strays.map(strayMessage) };
}

export async function slotSeen(
  { database }: ControlContext,
  process: ProcessState,
  info: StreamInfo,
): Promise<SlotSeen> {
  const slot = await slotFacts(database.state, info.slot);
  const seen: SlotSeen = {
    active: slot.active,
    walStatus: slot.walStatus as SlotSeen['walStatus'],
    retainedBytes: Number(slot.retainedBytes),
    behindBytes: Number(slot.behindBytes),
    safeBytes: slot.safeBytes === null ? null : Number(slot.safeBytes),
    limitBytes: Number(process.plan.stream?.retainedWalBytes ?? 0n),
  };
  if (retentionAlarm(seen).mark === 0) return seen;
  return { ...seen, holder: (await transactionHolders(database.state))[0] ?? null };
}

/** The slot as `GET /migrations/{id}` shows it: against the nearest limit and the clock, with the alarm when one is due. */
export function slotStatus(slot: SlotSeen, rate: RetentionRate): NonNullable<MigrationStatusView['slot']> {
  const { mark, percent, limitBytes, message } = retentionAlarm(slot);
  return {
    retainedBytes: slot.retainedBytes,
    limitBytes: limitBytes ?? slot.limitBytes,
    percent,
    ...rate,
    active: slot.active,
    alarm: mark === 0 ? null : message,
  };
}
