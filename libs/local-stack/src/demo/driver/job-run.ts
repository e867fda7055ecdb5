import type { ConsumerLine } from '../consumer/main.js';
import { Actor } from './actor.js';
import type { Cleanup } from './cleanup.js';
import type { Follower } from './follow.js';
import type { Say } from './output.js';
import type { RunningService } from './service.js';
import type { Stage } from './stage.js';
import { until } from './until.js';

/** What the phases of one whole job share, whichever tables it is about: the processes there are so far. */
export class JobRun {
  /** The application under migration; undefined before it is started and after it ended on purpose. */
  application: { readonly ended: boolean } | undefined;
  consumer: Actor<ConsumerLine> | undefined;
  service: RunningService | undefined;
  follower: Follower | undefined;

  constructor(
    readonly migration: string,
    readonly stage: Stage,
    readonly say: Say,
    readonly signal: AbortSignal,
    readonly cleanup: Cleanup,
  ) {}

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
  async until<T>(
    what: string,
    timeoutMs: number,
    condition: () => Promise<T | undefined> | T | undefined,
    everyMs = 100,
  ): Promise<T> {
    return await until(
      what,
      () => {
        const ended = this.service?.ended();
        if (ended !== undefined) throw new Error(`the service ended with ${ended}; see ${this.service?.logFile}`);
        if (this.application?.ended) throw new Error(`the application ended; see ${this.stage.folder}`);
        if (this.consumer?.ended) throw new Error(`the consumer ended; see ${this.stage.folder}/consumer.log`);
        return condition();
      },
      { timeoutMs, everyMs, signal: this.signal, describe: () => this.follower?.describe() ?? '' },
    );
  }
}
