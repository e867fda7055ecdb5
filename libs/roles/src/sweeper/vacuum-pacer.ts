import { vacuumDue } from '@highwater/sweep';
import { vacuumTable, type Access, type FillTarget } from '@highwater/target-db';

/**
 * Counts the rows each table got from this process and vacuums it when it is due, beside the sweep: its own session, one vacuum at a
 * time. When the sweep is a whole share ahead of it, a worker waits.
 */
export class VacuumPacer {
  private readonly filled = new Map<number, number>();
  private running: Promise<void> | undefined;

  constructor(
    private readonly ddl: Access,
    private readonly onDone: (target: FillTarget, ran: boolean, tookMs: number) => void,
    private readonly onError: (error: unknown) => void,
  ) {}

  /**
   * Counts rows just filled and begins a vacuum when one is due; `signal` ends it, and that is no failure.
   *
   * @returns true when one was due but another still runs: `settled` says when it may go on.
   */
  pace(target: FillTarget, rows: number, tableRowsEstimated: number, signal: AbortSignal): boolean {
    const { relid } = target.derivation.table;
    const filled = (this.filled.get(relid) ?? 0) + rows;
    this.filled.set(relid, filled);
    if (!vacuumDue(filled, tableRowsEstimated)) return false;
    if (this.running) return true;
    this.filled.set(relid, 0);
    const began = performance.now();
    this.running = vacuumTable(this.ddl, target, signal)
      .then(
        (ran) => this.onDone(target, ran, performance.now() - began),
        (error: unknown) => {
          if (!signal.aborted) this.onError(error);
        },
      )
      .finally(() => {
        this.running = undefined;
      });
    return false;
  }

  /** Resolves when no vacuum of ours runs. */
  async settled(): Promise<void> {
    await this.running;
  }
}
