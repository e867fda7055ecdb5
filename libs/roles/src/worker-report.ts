import { saveWorkerReports, type Access, type WorkerReport } from '@highwater/target-db';
import type { FillerStatus } from './filler/filler.js';
import type { RelayStatus } from './relay/relay.js';
import type { SweeperStatus } from './sweeper/sweeper.js';

/** What a worker says of itself, without whose it is. */
export type Said = Omit<WorkerReport, 'migrationId' | 'role' | 'since'> & { readonly since?: Date };

export const sweeperSays = ({ state, reason, rowsPerSecond, chunkRows }: SweeperStatus): Said => ({
  state,
  reason: reason.code,
  message: reason.message,
  since: reason.since,
  rowsPerSecond,
  chunkRows,
});
export const relaySays = ({ state, reason }: RelayStatus): Said => plain(state, reason);
export const fillerSays = ({ state, reason }: FillerStatus): Said => plain(state, reason);

const plain = (state: string, message: string | null): Said => ({
  state,
  reason: state,
  message: message ?? '',
  rowsPerSecond: null,
  chunkRows: null,
});

const reportEveryMs = 1_000;

/** Tells the control process, wherever it runs, what the workers of this process do; once a second at most. */
export class WorkerReporter {
  private toldAt = -Infinity;
  private before = 0;
  /** Since when a worker that keeps no time itself has been in its state. */
  private readonly states = new Map<string, { readonly state: string; readonly since: Date }>();

  constructor(
    private readonly state: Access,
    private readonly instance: string,
  ) {}

  async offer(workers: readonly { migrationId: string; role: string; says: Said }[]): Promise<void> {
    if (performance.now() - this.toldAt < reportEveryMs) return;
    this.toldAt = performance.now();
    if (workers.length === 0 && this.before === 0) return;
    const reports = workers.map(({ migrationId, role, says }): WorkerReport => ({
      ...says,
      migrationId,
      role,
      since: (says.since ?? this.sinceOf(`${role}/${migrationId}`, says.state)).toISOString(),
    }));
    await saveWorkerReports(this.state, this.instance, reports);
    this.before = workers.length;
  }

  /** A process that ends says so, instead of being missed after a while. */
  async forget(): Promise<void> {
    if (this.before > 0) await saveWorkerReports(this.state, this.instance, []);
  }

  private sinceOf(name: string, state: string): Date {
    const known = this.states.get(name);
    if (known?.state === state) return known.since;
    const now = { state, since: new Date() };
    this.states.set(name, now);
    return now.since;
  }
}
