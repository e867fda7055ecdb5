import { setTimeout as delay } from 'node:timers/promises';
import type { StreamInfo } from '@highwater/change-stream';
import { isHighwaterError } from '@highwater/kernel';
import type { Limits } from '@highwater/plan';
import { backoffMs, RateWindow } from '@highwater/sweep';
import { databaseError, type ChunkOutcome, type Database, type FillTarget } from '@highwater/target-db';
import { SweepWorker, type WorkerStep } from './sweep-worker.js';
import { ThrottleWatch } from './throttle-watch.js';
import { VacuumPacer } from './vacuum-pacer.js';
import type { WorkerLog } from './worker-log.js';

export interface SweeperOptions {
  readonly database: Database;
  readonly migrationId: string;
  readonly epoch: number;
  /** Its slot's retained WAL slows the sweep; null: `stream: none`. */
  readonly stream: StreamInfo | null;
  readonly retainedWalBytes?: bigint;
  readonly targets: readonly FillTarget[];
  readonly limits: Limits;
  readonly logger: WorkerLog;
  /** An error that waiting may not cure; the sweeper goes on trying. */
  readonly onFatal?: (error: Error) => void;
  /** For metrics and tests: after each chunk's commit. */
  readonly onChunkFilled?: (chunk: { target: FillTarget; pass: number; outcome: ChunkOutcome; tookMs: number }) => void;
  /** Test and trace hook: a chunk's rows are written, its transaction is still open. */
  readonly onChunkWritten?: () => Promise<void>;
}

export interface SweeperStatus {
  /** `paused`: the gate is closed. `idle`: no open range is free. */
  readonly state: 'stopped' | 'running' | 'throttled' | 'paused' | 'idle' | 'failing';
  readonly reason: { readonly code: string; readonly message: string; readonly since: Date };
  readonly rowsPerSecond: number;
  readonly chunkRows: number;
  /** Rows filled by this process since it started. */
  readonly rowsFilled: number;
}

const idleLookMs = 250;
const closedLookMs = 250;
/** A range is kept through throttling; its lease must not run out meanwhile. */
const keepEveryMs = 3_000;

/**
 * Works the open ranges of one epoch, sweep and tail passes alike; control makes them, and is done when none is open.
 *
 *   each worker:  look ──no range──▶ idle ──250 ms──▶ look
 *                  │ range leased
 *                  ▼
 *                 throttle ──go──▶ chunk ──▶ throttle …        gate closed ──▶ paused ──250 ms──▶ look
 *                  └─ stop: wait, keep the lease               error ──▶ failing ──backoff──▶ look
 *
 * Durable: per chunk, rows and cursor in one commit. `stop` finishes the chunk under way, ends a vacuum and gives ranges back; a kill leaves leases that end after 10 s.
 */
export class Sweeper {
  private limits: Limits;
  private workers: SweepWorker[] = [];
  private loops: Promise<void>[] = [];
  private stopping = new AbortController();
  private readonly manual: SweepWorker;
  private readonly throttle: ThrottleWatch;
  private readonly vacuum: VacuumPacer;
  private readonly rate = new RateWindow(500, 40);
  private scanned = 0;
  private filled = 0;
  private state: SweeperStatus['state'] = 'stopped';
  private reason: SweeperStatus['reason'] = { code: 'stopped', message: '', since: new Date() };

  constructor(private readonly options: SweeperOptions) {
    this.limits = options.limits;
    const relids = [...new Set(options.targets.map((target) => target.derivation.table.relid))];
    this.throttle = new ThrottleWatch(options.database.state, { relids, slot: options.stream?.slot ?? null });
    this.vacuum = new VacuumPacer(
      options.database.ddl,
      (target, ran, tookMs) => {
        if (!ran) return;
        const fields = { table: target.derivation.table.ident, tookMs: Math.round(tookMs) };
        options.logger.debug(fields, 'vacuumed beside the sweep');
      },
      (error) => this.report(error, 1),
    );
    this.manual = this.newWorker(0);
  }

  /** Resolves at once; the workers look for ranges from now on. */
  start(): Promise<void> {
    if (this.loops.length > 0) return Promise.resolve();
    this.stopping = new AbortController();
    this.workers = Array.from({ length: Math.max(1, this.limits.sweepWorkers) }, (_, n) => this.newWorker(n + 1));
    this.loops = this.workers.map((worker) => this.live(worker));
    return Promise.resolve();
  }

  /** Finishes the chunks under way and gives the ranges back. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
    this.loops = [];
    await this.vacuum.settled();
    await this.manual.free().catch(() => undefined);
    this.become('stopped', 'stopped', '');
  }

  /** One chunk on a range of its own, neither throttled nor paced: for tests that own the interleaving. Undefined: no range is free. */
  async fillOneChunk(): Promise<ChunkOutcome | undefined> {
    const step = await this.manual.step();
    this.count(step);
    return step.kind === 'chunk' ? step.outcome : undefined;
  }

  status(): SweeperStatus {
    return {
      state: this.state,
      reason: this.reason,
      rowsPerSecond: this.state === 'stopped' ? 0 : this.rate.rowsPerSecond(),
      chunkRows: Math.max(0, ...this.workers.map((worker) => worker.chunkRows)),
      rowsFilled: this.filled,
    };
  }

  private newWorker(n: number): SweepWorker {
    const { database, migrationId, epoch, targets, onChunkWritten } = this.options;
    return new SweepWorker({
      database,
      migrationId,
      epoch,
      targets,
      owner: `${database.instance}/${n}`,
      limits: this.limits,
      workers: this.limits.sweepWorkers,
      ...(onChunkWritten ? { onChunkWritten } : {}),
    });
  }

  private async live(worker: SweepWorker): Promise<void> {
    let [failures, rows, began] = [0, 0, performance.now()];
    while (!this.stopping.signal.aborted) {
      try {
        const lastChunk = { rows: rows * this.workers.length, msAgo: performance.now() - began };
        if (!(await this.mayGo(worker, lastChunk))) continue;
        began = performance.now();
        const step = await worker.step();
        failures = 0;
        rows = this.count(step);
        await this.afterStep(worker, step);
      } catch (error) {
        failures += 1;
        this.report(error, failures);
        await this.pause(backoffMs(failures, Math.random(), { firstMs: 100, maxMs: 5_000 }));
      }
    }
    await worker.free().catch(() => undefined);
  }

  private async mayGo(worker: SweepWorker, lastChunk: { rows: number; msAgo: number }): Promise<boolean> {
    const { replicaLagMs, sweepRowsPerSecondMax } = this.limits;
    const verdict = await this.throttle.judge(lastChunk, {
      replicaLagMs,
      sweepRowsPerSecondMax,
      retainedWalBytes: this.options.stream ? (this.options.retainedWalBytes ?? null) : null,
    });
    if (verdict.go === true) return true;
    // the rate limit is a pace, not an obstacle: it is no news once a chunk
    if (verdict.reason !== 'max_rate' || this.state !== 'running')
      this.become('throttled', verdict.reason, verdict.message);
    await this.pause(verdict.waitMs);
    if (verdict.go === 'slow') return true;
    this.rate.observe(performance.now(), this.scanned, false);
    await this.keep(worker);
    return false;
  }

  private readonly keptAt = new WeakMap<SweepWorker, number>();
  private async keep(worker: SweepWorker): Promise<void> {
    const now = performance.now();
    if (now - (this.keptAt.get(worker) ?? 0) < keepEveryMs) return;
    this.keptAt.set(worker, now);
    await worker.keep();
  }

  private count(step: WorkerStep): number {
    if (step.kind === 'idle' || step.outcome.kind !== 'written') return 0;
    this.scanned += step.outcome.scanned;
    this.filled += step.outcome.filled;
    this.rate.observe(performance.now(), this.scanned, true);
    return step.outcome.scanned;
  }

  private async afterStep(worker: SweepWorker, step: WorkerStep): Promise<void> {
    if (step.kind === 'idle') {
      this.become('idle', 'no_open_range', 'every range of the pass is done or held by another worker');
      this.rate.observe(performance.now(), this.scanned, false);
      return this.pause(idleLookMs);
    }
    const { outcome, target, lease, tookMs } = step;
    this.options.onChunkFilled?.({ target, pass: lease.pass, outcome, tookMs });
    switch (outcome.kind) {
      case 'written':
        if (this.throttle.current.verdict.go === true)
          this.become('running', 'sweeping', target.derivation.table.ident);
        if (lease.pass === 0 && outcome.filled > 0) await this.paceVacuum(worker, step);
        return;
      case 'gateClosed':
        this.become('paused', 'gate_closed', 'paused, halted, or the tables changed: see the reason of the migration');
        this.rate.observe(performance.now(), this.scanned, false);
        return this.pause(closedLookMs);
      case 'leaseLost':
        this.options.logger.warn(
          { range: lease.rangeNo, target: lease.targetNo },
          'lease was over; another worker has the range',
        );
        return;
      case 'slow':
        if (worker.slowChunks >= 3)
          this.become('throttled', 'slow_chunks', `${worker.slowChunks} chunks in a row hit the row budget`);
        return this.pause(backoffMs(worker.slowChunks, Math.random(), { firstMs: 10, maxMs: 2_000 }));
    }
  }

  /** The range goes back before a wait that may take minutes. */
  private async paceVacuum(worker: SweepWorker, step: Extract<WorkerStep, { kind: 'chunk' }>): Promise<void> {
    if (step.outcome.kind !== 'written') return;
    const { signal } = this.stopping;
    if (!this.vacuum.pace(step.target, step.outcome.filled, step.lease.tableRowsEstimated, signal)) return;
    await worker.free();
    await this.vacuum.settled();
  }

  private become(state: SweeperStatus['state'], code: string, message: string): void {
    const changed = state !== this.state || code !== this.reason.code;
    this.state = state;
    this.reason = { code, message, since: changed ? new Date() : this.reason.since };
  }

  private report(error: unknown, failures: number): void {
    const known = isHighwaterError(error) ? error : databaseError(error, 'sweeping');
    const news = this.reason.message !== known.message;
    this.become('failing', known.code, known.message);
    if (!news && failures > 1) return;
    this.options.logger.warn({ code: known.code, migrationId: this.options.migrationId }, known.message);
    if (known.retry === 'never') this.options.onFatal?.(known);
  }

  private async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.stopping.signal }).catch(() => undefined);
  }
}
