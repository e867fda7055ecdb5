import type { PartitionProgress } from '@highwater/change-stream';

export interface OffsetSink {
  commit(generation: number, offsets: readonly { readonly partition: number; readonly next: bigint }[]): Promise<void>;
}

/**
 * Commits what is settled, one request at a time; what settles meanwhile goes with the next. An offset is only ever committed after
 * its effects; a lost commit costs a look at rows that are filled already.
 */
export class OffsetCommitter {
  private readonly committed = new Map<number, bigint>();
  private running: Promise<void> | undefined;
  private again = false;

  constructor(
    private readonly sink: OffsetSink,
    private readonly generation: number,
    private readonly partitions: ReadonlyMap<number, PartitionProgress>,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Resolves when everything settled by now was sent. */
  flush(): Promise<void> {
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
        await this.sink.commit(this.generation, offsets);
        for (const { partition, next } of offsets) this.committed.set(partition, next);
      } catch (error) {
        this.onError(error); // a rebalance under way; the next flush or the next owner repeats it
        return;
      }
    } while (this.again);
  }
}
