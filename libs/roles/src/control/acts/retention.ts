import { formatBytes } from '@highwater/kernel';
import type { LiveMigration, Observations } from '@highwater/migration';
import { dropSlot, slotFacts } from '@highwater/target-db';
import { runCommand, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

/**
 * G6: at the plan's `retainedWal`, with `atLimit: dropSlot`, the slot goes before the disk is full; the rows whose hints are lost are found
 * by the sweep of the next epoch. The slot first, then the event: after it the next epoch makes a slot of the same name, which must not be
 * taken for this one. A crash between the two leaves it to a relay to say that its slot is gone.
 */
export async function keepWithinRetention(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  slot: Observations['slot'],
): Promise<void> {
  const { stream } = process.plan;
  if (!stream || stream.atLimit !== 'dropSlot' || state.stream !== 'open' || process.finishing) return;
  if (!slot || 'error' in slot || !state.streamFacts || slot.walStatus === null) return;
  if (slot.limitBytes <= 0 || slot.retainedBytes < slot.limitBytes) return;
  const { slot: name } = state.streamFacts;
  // looked at again: the slot of that name may be the next epoch's by now
  const retained = (await slotFacts(context.database.state, name)).retainedBytes;
  if (retained < BigInt(slot.limitBytes)) return;
  context.logger.warn({ migrationId: process.id, slot: name, retained: String(retained) }, 'slot dropped at its limit');
  await dropSlot(context.database.stream, name);
  await runCommand(context, process.id, 'RecordStreamBroken', {
    epoch: state.epoch,
    reason: 'RetentionLimit',
    message: `slot ${name} retained ${formatBytes(retained)}, the plan allows ${formatBytes(BigInt(slot.limitBytes))}; it was dropped so that the disk does not fill (atLimit: dropSlot)`,
  });
}
