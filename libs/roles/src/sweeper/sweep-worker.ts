import { afterShape, firstChunkRows, freshShape, nextChunkRows, nextShape, type ChunkLimits } from '@highwater/sweep';
import {
  closeUnfillable,
  fillChunk,
  leaseRange,
  readSweepFacts,
  releaseLease,
  renewLease,
  type ChunkOutcome,
  type Database,
  type FillTarget,
  type RangeLease,
  type SweepFacts,
} from '@highwater/target-db';

export interface WorkerOptions {
  readonly database: Database;
  readonly migrationId: string;
  readonly epoch: number;
  readonly owner: string;
  readonly targets: readonly FillTarget[];
  limits: ChunkLimits;
  /** Workers of this process. */
  readonly workers: number;
  /** Test and trace hook: the chunk's rows are written, its transaction is still open. */
  readonly onChunkWritten?: () => Promise<void>;
}

/** What one step did. `idle`: no range is free. */
export type WorkerStep =
  | { readonly kind: 'idle' }
  | {
      readonly kind: 'chunk';
      readonly outcome: ChunkOutcome;
      readonly target: FillTarget;
      readonly lease: RangeLease;
      readonly tookMs: number;
    };

/**
 * One sweep worker; its owner decides when it steps.
 *
 *   free ──range leased──▶ holding ──chunk──▶ holding ──range done, lease lost, gate closed──▶ free
 *
 * Durable: rows and cursor, in one commit per chunk. A worker that dies leaves a lease that ends by itself; one that comes back after that is refused
 * by its token.
 */
export class SweepWorker {
  private held: { lease: RangeLease; target: FillTarget; facts: SweepFacts } | undefined;
  private rows: number;
  private slow = 0;
  /** Rows that change under us, or have no value, come in runs. */
  private shape = freshShape;

  constructor(private readonly options: WorkerOptions) {
    this.rows = firstChunkRows(options.limits);
  }

  /** Rows of the next chunk. */
  get chunkRows(): number {
    return this.rows;
  }

  /** Chunks in a row that were too slow: above a few, something is wrong with the table, not with the size. */
  get slowChunks(): number {
    return this.slow;
  }

  async step(): Promise<WorkerStep> {
    const held = this.held ?? (await this.takeRange());
    if (!held) return { kind: 'idle' };
    const { lease, target, facts } = held;
    const { limits, database } = this.options;
    const began = performance.now();
    const outcome = await fillChunk(database.fill, target, lease, {
      rows: this.rows,
      budget: limits,
      naming: facts.naming,
      sparse: lease.pass > 0 && facts.nullIndex,
      // a tail pass is made of rows that were held or refused: nothing to gain from one snapshot there
      shape: lease.pass === 0 ? nextShape(this.shape) : 'lockFirst',
      bridged: facts.bridged,
      workers: this.options.workers,
      ...(this.options.onChunkWritten ? { onChunkWritten: this.options.onChunkWritten } : {}),
    });
    const tookMs = performance.now() - began;
    await this.after(outcome, lease, target);
    return { kind: 'chunk', outcome, target, lease, tookMs };
  }

  /** Keeps the range through a pause; false when it went to another worker meanwhile. */
  async keep(): Promise<boolean> {
    if (!this.held) return true;
    const kept = await renewLease(this.options.database.fill, this.held.lease);
    if (!kept) this.held = undefined;
    return kept;
  }

  /** Gives the range back at once. */
  async free(): Promise<void> {
    const held = this.held;
    this.held = undefined;
    if (held) await releaseLease(this.options.database.fill, held.lease);
  }

  private async takeRange(): Promise<typeof this.held> {
    const { database, migrationId, epoch, owner, targets } = this.options;
    const targetNos = targets.map((target) => target.targetNo);
    const lease = await leaseRange(database.fill, { migrationId, epoch, owner, targetNos });
    const target = targets.find((t) => t.targetNo === lease?.targetNo);
    if (!lease || !target) return undefined;
    this.held = { lease, target, facts: await readSweepFacts(database.fill, target) };
    return this.held;
  }

  private async after(outcome: ChunkOutcome, lease: RangeLease, target: FillTarget): Promise<void> {
    const { limits, database } = this.options;
    if (outcome.kind === 'written') {
      this.slow = 0;
      if (lease.pass === 0)
        this.shape = afterShape(this.shape, { tried: nextShape(this.shape), inVain: outcome.inVain });
      this.rows = nextChunkRows(
        this.rows,
        { outcome: 'written', rows: outcome.scanned, tookMs: outcome.heldMs },
        limits,
      );
      if (!outcome.done) return;
      this.held = undefined;
      await closeUnfillable(database.fill, target);
    } else if (outcome.kind === 'slow') {
      this.slow += 1;
      this.rows = nextChunkRows(this.rows, { outcome: 'slow' }, limits);
    } else if (outcome.kind === 'leaseLost') {
      this.held = undefined;
    } else {
      this.held = undefined;
      await releaseLease(database.fill, lease);
    }
  }
}
