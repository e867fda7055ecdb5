import { formatBytes } from '@highwater/kernel';
import {
  bytesUntilLost,
  retentionAlarm,
  retentionRate,
  withSample,
  type LiveMigration,
  type Observations,
  type SlotSeen,
} from '@highwater/migration';
import { dropSlot, listStreamObjects, slotFacts } from '@highwater/target-db';
import { runCommand, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

/**
 * G6, once a round: says loudly that retained WAL is getting near a limit and why; drops slots that nobody will read again; and at the
 * plan's `retainedWal` does what `atLimit` says.
 */
export async function keepWithinRetention(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  slot: Observations['slot'],
): Promise<void> {
  if (!process.plan.stream || process.finishing || !state.streamFacts) return forgetMetrics(context, process);
  await dropUnread(context, process, state);
  if (state.stream !== 'open') return forgetMetrics(context, process);
  if (!slot || 'error' in slot) return;
  measure(context, process, state.streamFacts.slot, slot);
  await dropAtLimit(context, process, state, slot);
}

/**
 * A slot that is broken, or that a try left behind before its event, is never read again and keeps WAL until somebody drops it. The log
 * says which one lives; one of a later epoch than the log knows is being opened right now.
 */
async function dropUnread(context: ControlContext, process: ProcessState, state: LiveMigration): Promise<void> {
  const { database, logger } = context;
  const living = state.stream === 'open' ? state.streamFacts?.slot : undefined;
  const unread = (await listStreamObjects(database.state, process.short)).filter(
    (one) => one.kind === 'slot' && one.epoch <= state.epoch && one.name !== living,
  );
  for (const { name } of unread) {
    logger.info({ migrationId: process.id, slot: name, epoch: state.epoch }, 'dropping a slot that nobody reads again');
    await dropSlot(database.stream, name, 1).catch((error: unknown) =>
      logger.warn({ migrationId: process.id, slot: name, err: error }, 'the slot could not be dropped; tried again'),
    );
  }
}

const walStatuses = ['reserved', 'extended', 'unreserved', 'lost'] as const;

/** Metrics at every look; a log line when a mark is crossed upwards, and one when it is over. */
function measure({ metrics, logger }: ControlContext, process: ProcessState, name: string, slot: SlotSeen): void {
  const labels = { migration: process.id };
  metrics.slotRetainedBytes.set(labels, slot.retainedBytes);
  if (slot.safeBytes !== null) metrics.slotSafeBytes.set(labels, slot.safeBytes);
  for (const status of walStatuses) metrics.slotWalStatus.set({ ...labels, status }, slot.walStatus === status ? 1 : 0);
  const leftBytes = bytesUntilLost(slot, process.plan.stream?.atLimit ?? 'hold');
  const atMs = performance.now();
  process.retained = withSample(process.retained, { slot: name, atMs, retainedBytes: slot.retainedBytes, leftBytes });
  const { bytesPerSecond, lostInMs } = retentionRate(process.retained[0], process.retained.at(-1), atMs);
  if (bytesPerSecond !== null) metrics.slotBytesPerSecond.set(labels, bytesPerSecond);
  // unknown is no number: a value that stood still would be taken for one
  if (lostInMs === null) metrics.slotLostInSeconds.remove(labels);
  else metrics.slotLostInSeconds.set(labels, lostInMs / 1_000);
  const { mark, limitBytes, message } = retentionAlarm(slot);
  metrics.slotLimitBytes.set(labels, limitBytes ?? 0);
  const before = process.retentionMark ?? 0;
  process.retentionMark = mark;
  const fields = { migrationId: process.id, retainedBytes: slot.retainedBytes, limitBytes, percent: mark };
  if (mark > before) logger.warn(fields, message);
  else if (mark === 0 && before > 0) logger.info(fields, `retained WAL is below 75% again: ${message}`);
}

/** Figures of a slot that is gone, or that another process looks at by now, would be alarmed at for ever. */
export function forgetMetrics({ metrics }: ControlContext, process: ProcessState): void {
  const labels = { migration: process.id };
  for (const gauge of [
    metrics.slotRetainedBytes,
    metrics.slotSafeBytes,
    metrics.slotLimitBytes,
    metrics.slotBytesPerSecond,
    metrics.slotLostInSeconds,
  ])
    gauge.remove(labels);
  for (const status of walStatuses) metrics.slotWalStatus.remove({ ...labels, status });
  process.retentionMark = 0;
  process.retained = [];
}

/**
 * The slot first, then the event: nothing reads the slot meanwhile but a relay, which then says itself that it is gone. A crash between
 * the two leaves it to that relay.
 */
async function dropAtLimit(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  slot: SlotSeen,
): Promise<void> {
  if (process.plan.stream?.atLimit !== 'dropSlot' || !state.streamFacts || slot.walStatus === null) return;
  if (slot.limitBytes <= 0 || slot.retainedBytes < slot.limitBytes) return;
  const { slot: name } = state.streamFacts;
  const retained = (await slotFacts(context.database.state, name)).retainedBytes; // looked at again, it may have been read meanwhile
  if (retained < BigInt(slot.limitBytes)) return;
  context.logger.warn({ migrationId: process.id, slot: name, retained: String(retained) }, 'slot dropped at its limit');
  await dropSlot(context.database.stream, name);
  await runCommand(context, process.id, 'RecordStreamBroken', {
    epoch: state.epoch,
    reason: 'RetentionLimit',
    message: `slot ${name} retained ${formatBytes(retained)}, the plan allows ${formatBytes(BigInt(slot.limitBytes))}; it was dropped so that the disk does not fill (atLimit: dropSlot)`,
  });
}
