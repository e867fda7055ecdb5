import { randomBytes } from 'node:crypto';
import { must, type FenceToken, migrationId } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import { emitFence, forgetOldFences, readFence, recordFence, type FenceFacts } from '@highwater/target-db';
import { streamInfo, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

/** `readiness`: proves the stream now and then. `cutover`: the one that counts; its return is an event. */
export type FencePurpose = 'readiness' | 'cutover';

/** Writes a fence: first the row, committed, then the token into WAL, so that no arrival meets an unknown token. */
export async function writeFence(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  purpose: FencePurpose,
): Promise<FenceToken> {
  const { database } = context;
  const info = must(streamInfo(state), 'a fence needs an open stream');
  const token = `f-${randomBytes(6).toString('hex')}` as FenceToken;
  await recordFence(database.state, {
    token,
    migrationId: process.id,
    epoch: info.epoch,
    partitions: info.partitions,
    topicId: info.topicId,
    purpose,
  });
  await emitFence(database.state, token, migrationId(process.id));
  await forgetOldFences(database.state, process.id);
  return token;
}

/** A fence of another epoch, topic or partition count proves nothing about this one. */
export const isVoid = (fence: FenceFacts, state: LiveMigration): boolean => {
  const info = streamInfo(state);
  return (
    info === null ||
    state.stream !== 'open' ||
    fence.epoch !== info.epoch ||
    fence.topicId !== info.topicId ||
    fence.partitions !== info.partitions
  );
};

export const isReached = (fence: FenceFacts): boolean => fence.arrived.length >= fence.partitions;

export const roundTripMs = (fence: FenceFacts): number =>
  fence.lastArrivalAt === null ? 0 : Math.max(0, fence.lastArrivalAt.getTime() - fence.writtenAt.getTime());

/** The newest fence that says something about the stream as it is. */
export async function currentFence(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  token: string | null = null,
): Promise<FenceFacts | undefined> {
  const fence = await readFence(context.database.state, process.id, token);
  return fence && !isVoid(fence, state) ? fence : undefined;
}
