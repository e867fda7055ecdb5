import type { PartitionProgress } from '@highwater/change-stream';

export interface OffsetSink {
  commit(generation: number, offsets: readonly { readonly partition: number; readonly next: bigint }[]): Promise<void>;
}

/** A commit of offsets is a write of the broker's own log: not one for every fill. What was not committed is looked at again after a crash. */
const everyMs = 250;

/**
 * Commits what is settled, one request at a time; what settles meanwhile goes with the next. An offset is only ever committed after
 * its effects are on disk; a lost commit costs a look at rows that are filled already.
 */
export class OffsetCommitter {
  private readonly committed = new Map<number, bigint>();
  private running: Promise<void> | undefined;
  private again = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly sink: OffsetSink,
    private readonly generation: number,
    private readonly partitions: ReadonlyMap<number, PartitionProgress>,
    /** Returns when every effect committed before the call is on disk. */
    private readonly effectsOnDisk: () => Promise<void>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Something was settled: its offset is committed with others' within a quarter of a second. */
  soon(): void {
    this.timer ??= setTimeout(() => void this.flush(), everyMs);
  }

  /** Resolves when everything settled by now was sent. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.running) {
      this.again = true;
      return this.running;
    }
    this.running = this.run().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async run(): Promise<void> {
    do {
      this.again = false;
      const offsets: { partition: number; next: bigint }[] = [];
      for (const [partition, progress] of this.partitions) {
        const next = progress.committable();
        if (next !== undefined && next > (this.committed.get(partition) ?? -1n)) offsets.push({ partition, next });
      }
      if (offsets.length === 0) continue;
      try {
        await this.effectsOnDisk();
        await this.sink.commit(this.generation, offsets);
        for (const { partition, next } of offsets) this.committed.set(partition, next);
      } catch (error) {
        this.onError(error); // a rebalance under way; the next flush or the next owner repeats it
        return;
      }
    } while (this.again);
  }
}
