import type { ApplicationLine } from '../application/main.js';
import { Actor } from './actor.js';
import type { Cleanup } from './cleanup.js';
import { JobRun } from './job-run.js';
import type { DemoOptions } from './options.js';
import type { Say } from './output.js';
import { migration } from './plan.js';
import type { Stage } from './stage.js';

/** The demo's run: the job with its own application. */
export class Run extends JobRun {
  declare application: Actor<ApplicationLine> | undefined;

  constructor(
    readonly options: DemoOptions,
    stage: Stage,
    say: Say,
    signal: AbortSignal,
    cleanup: Cleanup,
  ) {
    super(migration, stage, say, signal, cleanup);
  }

  /** How long the application runs without us, so that waits can be compared; a small demo has a short one. */
  get controlMs(): number {
    return between(4_000, this.options.rows / 33, 15_000);
  }

  get windowSeconds(): number {
    return Math.round(between(2, this.options.rows / 50_000, 10));
  }

  startApplication(version: 'old' | 'new'): Actor<ApplicationLine> {
    const { writers, rate, seed } = this.options;
    const actor = new Actor<ApplicationLine>({
      script: 'application/main.js',
      args: [
        ...['--writers', String(writers), '--rate', String(rate), '--seed', String(seed + (version === 'old' ? 0 : 1))],
        ...(version === 'new' ? ['--sets-workspace-id'] : []),
      ],
      env: { APPLICATION_DATABASE_URL: this.stage.applicationUrl },
      errorFile: `${this.stage.folder}/application-${version}.log`,
      signal: this.signal,
    });
    this.cleanup.add(`the ${version} application`, () => actor.stop());
    this.application = actor;
    return actor;
  }
}

const between = (min: number, value: number, max: number): number => Math.min(max, Math.max(min, value));
