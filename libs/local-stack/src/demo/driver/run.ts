import { performance } from 'node:perf_hooks';
import type { ApplicationLine } from '../application/main.js';
import type { ConsumerLine } from '../consumer/main.js';
import { Actor } from './actor.js';
import type { Cleanup } from './cleanup.js';
import type { Follower } from './follow.js';
import type { DemoOptions } from './options.js';
import type { Say } from './output.js';
import type { RunningService } from './service.js';
import type { Stage } from './stage.js';
import { until } from './until.js';

/** What the phases of one run share: settings, and the processes there are so far. */
export class Run {
  application: Actor<ApplicationLine> | undefined;
  consumer: Actor<ConsumerLine> | undefined;
  service: RunningService | undefined;
  follower: Follower | undefined;
  readonly started = performance.now();

  constructor(
    readonly options: DemoOptions,
    readonly stage: Stage,
    readonly say: Say,
    readonly signal: AbortSignal,
    readonly cleanup: Cleanup,
  ) {}

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

  startConsumer(schemas: string): Actor<ConsumerLine> {
    const { brokers, topicPrefix, folder } = this.stage;
    const actor = new Actor<ConsumerLine>({
      script: 'consumer/main.js',
      args: ['--brokers', brokers.join(), '--schemas', schemas, '--topic', `${topicPrefix}.events`],
      errorFile: `${folder}/consumer.log`,
      signal: this.signal,
      onLine: (line) => {
        if (line.kind === 'event') this.say('event', line.text);
        if (line.kind === 'problem') this.say('problem', line.text);
      },
    });
    this.cleanup.add('the consumer', () => actor.stop());
    this.consumer = actor;
    return actor;
  }

  /** Waits for one moment of the migration; ends early when a process that must run does not. */
  async until<T>(what: string, timeoutMs: number, condition: () => Promise<T | undefined> | T | undefined): Promise<T> {
    return await until(
      what,
      () => {
        const ended = this.service?.ended();
        if (ended !== undefined) throw new Error(`the service ended with ${ended}; see ${this.service?.logFile}`);
        if (this.application?.ended) throw new Error(`the application ended; see ${this.stage.folder}`);
        if (this.consumer?.ended) throw new Error(`the consumer ended; see ${this.stage.folder}/consumer.log`);
        return condition();
      },
      { timeoutMs, everyMs: 100, signal: this.signal, describe: () => this.follower?.describe() ?? '' },
    );
  }
}

const between = (min: number, value: number, max: number): number => Math.min(max, Math.max(min, value));
