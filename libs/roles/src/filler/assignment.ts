import type { PartitionProgress } from '@highwater/change-stream';
import type { CommitWitness } from '@highwater/target-db';
import type { Arrivals } from './arrivals.js';
import type { OffsetCommitter } from './offset-committer.js';
import type { HintItem } from './triage.js';

/** A record that is no usable hint: reason and position go to the dead-letter topic. */
export interface Dead {
  readonly progress: PartitionProgress;
  readonly offset: bigint;
  readonly reason: string;
}

/** Everything of one assignment; dropped as a whole when the partitions are revoked, nothing committed. */
export interface Assignment {
  readonly generation: number;
  readonly partitions: Map<number, PartitionProgress>;
  readonly committer: OffsetCommitter;
  readonly witness: CommitWitness;
  readonly paused: Set<number>;
  /** Waiting for their first look. */
  readonly arrivals: Arrivals;
  /** Looked at without a final answer. */
  pending: HintItem[];
  /** Found unusable, not yet stored in the dead-letter topic; unsettled until they are. */
  dead: Dead[];
  /** In the dead-letter topic, not yet in the tally; unsettled until they are. */
  uncounted: Dead[];
  /** Dead letters or a fence could not be stored; look again although no hint is pending. */
  unfinished: boolean;
  current: boolean;
}
