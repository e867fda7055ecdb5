import { Actor } from '../demo/driver/actor.js';
import type { Cleanup } from '../demo/driver/cleanup.js';
import { sweepMsMax } from '../demo/driver/job.js';
import { JobRun } from '../demo/driver/job-run.js';
import type { Say } from '../demo/driver/output.js';
import type { Stage } from '../demo/driver/stage.js';
import type { ApplicationLine } from './application/main.js';
import type { ExampleFolder } from './folder.js';
import type { ExampleOptions } from './options.js';

/** Whether there is a stream at all: both the plan and who runs it may do without. */
export const streams = (folder: ExampleFolder, { stream }: ExampleOptions): boolean =>
  stream !== 'none' && !/^stream: none\b/m.test(folder.plan);

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
    super(folder.migration, stage, say, signal, cleanup);
  }

  get windowSeconds(): number {
    return Math.round(Math.min(10, Math.max(2, this.options.rows / 50_000)));
  }

  /** The team's own plan; only the window is shorter than anybody would have it, and the stream left out when that was asked for. */
  get plan(): string {
    const plan = this.folder.plan.replace(/window: \S+(?=[ ,}])/, `window: ${this.windowSeconds}s`);
    return this.options.stream === 'none' ? plan.replace(/^stream: .*$/m, 'stream: none') : plan;
  }

  /** Of the service, beside its URLs: SQL of a plan is taken over the API only where the service is told so. */
  get settings(): Readonly<Record<string, string>> {
    return /^assertions:/m.test(this.folder.plan) ? { HIGHWATER_ALLOW_ASSERTIONS: 'yes' } : {};
  }

  /** False: no Kafka, no slot, nobody reports. */
  get streaming(): boolean {
    return streams(this.folder, this.options);
  }

  /** How long whatever goes over all rows may take before it is taken for stuck. */
  get catchUpMs(): number {
    return sweepMsMax(2 * this.options.rows);
  }

  /** How often all rows may be counted by hand without being a load themselves. */
  get countEveryMs(): number {
    return Math.min(10_000, Math.max(100, this.options.rows / 100));
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
