import type { Logger, Metrics } from '@highwater/telemetry';
import type { MigrationControl } from './control/port.js';
import type { Settings } from './settings.js';
import type { Wait } from './waits.js';

/** What one process can do of the work; any number of processes, each with any of them. */
export const processRoles = ['control', 'relay', 'filler', 'sweeper'] as const;
export type ProcessRole = (typeof processRoles)[number];

/** What the process says about itself; `/health` and the log are made from it. */
export interface EngineFacts {
  /** The first connection to the database was made and schema `highwater` is there. */
  readonly started: boolean;
  /** A loop ended for good; the process should be restarted. */
  readonly fatal: { readonly role: string; readonly message: string } | null;
  /** False while something it needs is away; `reason` says what. */
  readonly ready: boolean;
  readonly reason: string | null;
  readonly roles: readonly { readonly role: string; readonly migration: string | null; readonly state: string }[];
}

/** All of Highwater in one process: the service and `highwater run` compose the same one. */
export interface Engine {
  readonly control: MigrationControl;
  readonly metrics: Metrics;
  /** Resolves when the process roles run; with `waitForDatabase` that may take as long as the database is away. */
  start(roles: readonly ProcessRole[]): Promise<void>;
  /** Drains: no new work, what is under way ends or rolls back, offsets and leases are settled. */
  stop(): Promise<void>;
  /** What a stop still waits for, the longest first; empty unless one is under way. */
  waitsFor(): readonly Wait[];
  facts(): EngineFacts;
}

export interface EngineOptions {
  /**
   * Answers an engine also while the database is away: requests get HW9002 or HW6003, `facts` says what is wrong, and `start` goes on when
   * it is back. What waiting cannot cure (a wrong password) is thrown all the same. Default false: being away is thrown too.
   */
  readonly waitForDatabase?: boolean;
}

export type CreateEngine = (settings: Settings, logger: Logger, options?: EngineOptions) => Promise<Engine>;
