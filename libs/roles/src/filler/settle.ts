import type { StreamInfo } from '@highwater/change-stream';
import type { DeadLetterProducer } from '@highwater/messaging';
import { recordFenceArrival, type Database } from '@highwater/target-db';
import type { WorkerLog } from '../sweeper/worker-log.js';
import type { Assignment } from './assignment.js';

interface Context {
  readonly database: Database;
  readonly migrationId: string;
  readonly stream: StreamInfo;
  readonly logger: WorkerLog;
}

/** Stores the dead letters and settles them; when they cannot be stored they stay for the next try. @returns how many were stored. */
export async function bury(assignment: Assignment, producer: DeadLetterProducer, context: Context): Promise<number> {
  const dead = assignment.dead;
  if (dead.length === 0) return 0;
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
  for (const { progress, offset } of dead) progress.settle(offset);
  const reasons = [...new Set(dead.map((letter) => letter.reason))];
  context.logger.warn({ reasons, count: dead.length }, 'hints sent to the dead-letter topic');
  return dead.length;
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
