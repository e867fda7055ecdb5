import type { StreamInfo } from '@highwater/change-stream';
import type { DeadLetterProducer } from '@highwater/messaging';
import { countDeadLetters, recordFenceArrival, type Database } from '@highwater/target-db';
import type { WorkerLog } from '../sweeper/worker-log.js';
import type { Assignment } from './assignment.js';

interface Context {
  readonly database: Database;
  readonly migrationId: string;
  readonly stream: StreamInfo;
  readonly logger: WorkerLog;
}

/**
 * Stores the dead letters, counts them in the tally, settles them; what could not be stored or counted stays for the next try.
 * @returns how many were settled.
 */
export async function bury(assignment: Assignment, producer: DeadLetterProducer, context: Context): Promise<number> {
  await send(assignment, producer, context);
  const sent = assignment.uncounted;
  if (sent.length === 0) return 0;
  assignment.uncounted = [];
  const byPartition = new Map<number, number>();
  for (const { progress } of sent) byPartition.set(progress.partition, (byPartition.get(progress.partition) ?? 0) + 1);
  try {
    await countDeadLetters(context.database.fill, context.migrationId, byPartition);
  } catch (error) {
    assignment.uncounted.push(...sent);
    throw error;
  }
  for (const { progress, offset } of sent) progress.settle(offset);
  return sent.length;
}

async function send(assignment: Assignment, producer: DeadLetterProducer, context: Context): Promise<void> {
  const dead = assignment.dead;
  if (dead.length === 0) return;
  assignment.dead = [];
  const { topic } = context.stream;
  try {
    await producer.send(
      dead.map(({ progress, offset, reason }) => ({ reason, topic, partition: progress.partition, offset })),
    );
  } catch (error) {
    assignment.dead.push(...dead);
    throw error;
  }
  assignment.uncounted.push(...dead);
  const reasons = [...new Set(dead.map((letter) => letter.reason))];
  context.logger.warn({ reasons, count: dead.length }, 'hints sent to the dead-letter topic');
}

/** Stores the arrival of each fence that everything before it in its partition has an answer for (on disk), and settles it. */
export async function storeFences(assignment: Assignment, { database, migrationId, stream }: Context): Promise<void> {
  const { epoch, partitions, topicId } = stream;
  for (const progress of assignment.partitions.values())
    for (let fence = progress.dueFence(); fence && assignment.current; fence = progress.dueFence()) {
      const { token, offset } = fence;
      await assignment.witness.flush();
      const { partition } = progress;
      await recordFenceArrival(database.fill, { migrationId, token, partition, epoch, partitions, topicId });
      progress.settle(offset);
    }
}
