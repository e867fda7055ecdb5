import { setTimeout as pause } from 'node:timers/promises';
import { listMigrations, migrationsToRollBack, tryLead } from '@highwater/target-db';
import { complain } from '../complain.js';
import { Waits } from '../waits.js';
import type { ControlContext } from './context.js';
import { MigrationProcess } from './migration-process.js';

const lookEveryMs = 300;
const standbyEveryMs = 1_000;

export type ControlState = 'stopped' | 'standby' | 'leading';

/**
 * One acting control process per database.
 *
 *   standby ──lead taken──▶ leading: a MigrationProcess for every migration that is not finished
 *      ▲                        │
 *      └── lead lost (session ended): every process is stopped, nothing is remembered ──┘
 *
 * Two leaders for a moment (a frozen one wakes up) are harmless: commands carry expected versions, acts look at the catalog first.
 */
export class Control {
  private readonly ended = new AbortController();
  private running: Promise<void> | undefined;
  private readonly processes = new Map<string, MigrationProcess>();
  state: ControlState = 'stopped';
  reason: string | null = null;

  constructor(
    private readonly context: ControlContext,
    private readonly waits = new Waits(),
  ) {}

  start(): Promise<void> {
    this.running ??= this.live();
    return Promise.resolve();
  }

  async stop(): Promise<void> {
    this.ended.abort();
    // `live` may wait for an answer of the server first, and they would begin one round after the other until it comes
    for (const process of this.processes.values()) void process.stop();
    await this.waits.during('the control process', () => this.running);
    this.state = 'stopped';
  }

  private async live(): Promise<void> {
    const { signal } = this.ended;
    while (!signal.aborted) {
      this.state = 'standby';
      try {
        await this.lead();
      } catch (error) {
        this.reason = complain(this.context.logger, this.reason, error, {}, 'control is interrupted; it tries again');
      }
      await pause(standbyEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async lead(): Promise<void> {
    const { signal } = this.ended;
    let lost: Error | undefined;
    const lead = await tryLead(this.context.database.settings, 'control', (error) => (lost = error));
    this.reason = null; // asked and answered: the database is there
    if (!lead) return;
    this.state = 'leading';
    this.context.logger.info({}, 'control leads');
    try {
      while (!signal.aborted && !lost) {
        await this.adopt();
        await pause(lookEveryMs, undefined, { signal }).catch(() => undefined);
      }
      if (lost && !signal.aborted) throw lost;
    } finally {
      await Promise.all([...this.processes.values()].map((process) => process.stop()));
      this.processes.clear();
      await this.waits.during('the lead to be given back', () => lead.release());
    }
  }

  private async adopt(): Promise<void> {
    const { state } = this.context.database;
    const wanted = await migrationsToRollBack(state);
    for (const migration of await listMigrations(state)) {
      const running = this.processes.get(migration.id);
      // what is finished can still be rolled back
      const over = migration.phase === 'finished' && !wanted.has(migration.id);
      if (over && running) {
        await running.stop();
        this.processes.delete(migration.id);
      }
      if (over || running || this.ended.signal.aborted) continue;
      const process = new MigrationProcess(this.context, migration, this.waits);
      this.processes.set(migration.id, process);
      process.start();
    }
  }
}
