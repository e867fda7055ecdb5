import type { OpenWork } from '@highwater/change-stream';
import { recordBridgedStatements, type Access, type BridgedStatement } from '@highwater/target-db';
import type { MigrationId } from '@highwater/kernel';

/** Messages are counted in batches, committed before the position behind them is acknowledged. */
const flushEveryMs = 100;
const flushAt = 500;
/** What one waiting message is worth in the relay's bound on memory. */
const messageBytes = 300;

export class BridgeCounter {
  private waiting: { readonly use: BridgedStatement; readonly work: OpenWork }[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;
  private writing = false;
  private closed = false;

  constructor(
    private readonly state: Access,
    private readonly migrationId: MigrationId,
    private readonly short: string,
    private readonly onSettled: () => void,
    private readonly onFailure: (error: unknown) => void,
  ) {}

  add(use: BridgedStatement, work: OpenWork): void {
    work.outstanding += 1;
    this.waiting.push({ use, work });
    if (this.waiting.length >= flushAt) void this.flush();
    else this.timer ??= setTimeout(() => void this.flush(), flushEveryMs);
  }

  get bytes(): number {
    return this.waiting.length * messageBytes;
  }
  get idle(): boolean {
    return this.waiting.length === 0 && !this.writing;
  }

  close(): void {
    this.closed = true;
    if (this.timer) clearTimeout(this.timer);
  }

  private async flush(): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writing || this.closed || this.waiting.length === 0) return;
    this.writing = true;
    const batch = this.waiting.splice(0, flushAt);
    try {
      await recordBridgedStatements(
        this.state,
        this.migrationId,
        this.short,
        batch.map(({ use }) => use),
      );
      for (const { work } of batch) work.outstanding -= 1;
    } catch (error) {
      if (!this.closed) this.onFailure(error);
      return;
    } finally {
      this.writing = false;
    }
    if (this.closed) return;
    this.onSettled();
    if (this.waiting.length > 0) this.timer ??= setTimeout(() => void this.flush(), flushEveryMs);
  }
}
