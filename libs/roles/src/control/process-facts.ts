import type { EntityFacts } from './entity-passes.js';

export type OnBreak = 'rebuild' | 'hold';

/** Everything `nextAct` looks at: folded state, progress rows and accepted operations, read in one round. */
export interface ProcessFacts {
  readonly phase:
    | 'planned'
    | 'preflight-failed'
    | 'preflighted'
    | 'expanded'
    | 'streaming'
    | 'sweeping'
    | 'swept'
    | 'bridged'
    | 'cutting-over'
    | 'enforced'
    | 'finished';
  /** Somebody asked for `start`, or it is under way already. */
  readonly started: boolean;
  readonly pause: 'running' | 'paused' | 'halted';
  readonly streamWanted: boolean;
  readonly stream: 'none' | 'open' | 'broken';
  readonly onBreak: OnBreak;
  readonly epoch: number;
  readonly schemaChanged: boolean;
  /** Ranges of this epoch, all tables, not done yet. */
  readonly openRanges: number;
  /** Highest pass of this epoch: 0 is the sweep, from 1 on tail passes. */
  readonly pass: number;
  readonly nullIndexesReady: boolean;
  /** NULL rows by the partial index, all tables; null while one of them is not counted: there may be any number. */
  readonly nulls: number | null;
  readonly unfillableOpen: number;
  readonly chunkRowsMax: number;
  /** Undefined: the plan has no entities. */
  readonly entities?: EntityFacts | undefined;
  readonly tailPassSinceBridge: boolean;
  readonly msSinceTailPass: number;
  readonly fenceOpen: boolean;
  readonly msSinceFence: number;
  /** The one after the bridge is not recorded yet, and nobody has asked for another, which would count for it. */
  readonly verificationWanted: boolean;
  /** It is under way: its pages are compared beside the acts. */
  readonly verificationBegun: boolean;
  readonly ready: boolean;
  /** The plan says that the cutover starts by itself, nobody holds it, and the pause after a failed attempt is over. */
  readonly autoDue: boolean;
  /** A check of ours is in force on a table that is not enforced: right inside an attempt, a leftover of a lost one outside. */
  readonly guarded: boolean;
  readonly cutoverOperationId: string | null;
  /** Of `CutoverBegan`, for an attempt found under way. */
  readonly begunOperationId: string | null;
  readonly finishOperationId: string | null;
  readonly unenforceOperationId: string | null;
  readonly rollbackOperationId: string | null;
  /** finish has found the bridge unused and stored that: it may take the stream down, broken or not. */
  readonly bridgeJudged: boolean;
}
