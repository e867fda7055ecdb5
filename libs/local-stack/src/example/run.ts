import { Actor } from '../demo/driver/actor.js';
import type { Cleanup } from '../demo/driver/cleanup.js';
import { JobRun } from '../demo/driver/job-run.js';
import type { Say } from '../demo/driver/output.js';
import type { Stage } from '../demo/driver/stage.js';
import type { ApplicationLine } from './application/main.js';
import type { ExampleFolder } from './folder.js';
import type { ExampleOptions } from './options.js';

/** One example's run: the job with that team's application. */
export class ExampleRun extends JobRun {
  declare application: Actor<ApplicationLine> | undefined;

  constructor(
    readonly options: ExampleOptions,
    readonly folder: ExampleFolder,
    stage: Stage,
    say: Say,
    signal: AbortSignal,
    cleanup: Cleanup,
  ) {
    super(folder.example.migration, stage, say, signal, cleanup);
  }

  get windowSeconds(): number {
    return Math.round(Math.min(10, Math.max(2, this.options.rows / 50_000)));
  }

  /** The team's own plan; only the window is shorter than anybody would have it. */
  get plan(): string {
    return this.folder.plan.replace(/window: \S+(?=[ ,}])/, `window: ${this.windowSeconds}s`);
  }

  startApplication(version: 'old' | 'new'): Actor<ApplicationLine> {
    const { rows, writers, rate, seed } = this.options;
    const actor = new Actor<ApplicationLine>({
      script: '../example/application/main.js',
      name: `the ${version} application`,
      args: [
        ...[this.folder.name, '--rows', String(rows), '--writers', String(writers), '--rate', String(rate)],
        ...['--seed', String(seed + (version === 'old' ? 0 : 1)), ...(version === 'new' ? ['--new'] : [])],
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
