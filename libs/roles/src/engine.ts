import { CommandRunner, openEventStore } from '@highwater/event-store';
import { EventTopicProducer } from '@highwater/messaging';
import { migrationDecider, parseMigrationEvent } from '@highwater/migration';
import { installSchema, openDatabase, tryLead } from '@highwater/target-db';
import { createMetrics, type Logger } from '@highwater/telemetry';
import { Control } from './control/control.js';
import type { ControlContext } from './control/context.js';
import { UseCases } from './control/use-cases.js';
import type { Engine, EngineFacts, ProcessRole } from './engine-port.js';
import { EventPublisher } from './event-publisher/event-publisher.js';
import type { Settings } from './settings.js';
import { Workers } from './workers.js';

/**
 * Everything of Highwater in one process, composed once for the service and for `highwater run`. Connects, installs or upgrades schema
 * `highwater`, and starts nothing: `start` does.
 */
export async function createEngine(settings: Settings, logger: Logger): Promise<Engine> {
  const database = openDatabase(settings.database);
  const metrics = createMetrics();
  let store;
  try {
    await installSchema(database);
    const { tls, tlsCa, allowPlaintext } = settings.database;
    store = await openEventStore({
      url: settings.database.urls.state,
      ...(tls === undefined ? {} : { tls }),
      ...(tlsCa === undefined ? {} : { tlsCa }),
      ...(allowPlaintext === undefined ? {} : { allowPlaintext }),
      applicationName: `highwater/${database.instance}/state`,
    });
  } catch (error) {
    await database.close();
    throw error;
  }
  const runner = new CommandRunner(store, migrationDecider, parseMigrationEvent);
  const context: ControlContext = { database, kafka: settings.kafka, store, runner, logger, metrics };
  return new RunningEngine(context, settings);
}

class RunningEngine implements Engine {
  readonly control: UseCases;
  readonly metrics: ControlContext['metrics'];
  private process: Control | undefined;
  private workers: Workers | undefined;
  private publisher: EventPublisher | undefined;
  private fatal: EngineFacts['fatal'] = null;
  private started = false;

  constructor(
    private readonly context: ControlContext,
    private readonly settings: Settings,
  ) {
    this.control = new UseCases(context);
    this.metrics = context.metrics;
  }

  async start(roles: readonly ProcessRole[]): Promise<void> {
    const { context } = this;
    const has = new Set(roles);
    if (has.has('control')) {
      this.process = new Control(context);
      await this.process.start();
      if (context.kafka) {
        this.publisher = new EventPublisher({
          store: context.store,
          producer: new EventTopicProducer(context.kafka),
          lead: (onLost) => tryLead(context.database.settings, 'event-publisher', onLost),
          onFatal: (error) => this.fail('event publisher', error),
          onUnpublished: (count) => context.metrics.eventsUnpublished.set(count),
        });
        this.publisher.start();
      }
    }
    this.workers = new Workers(context, has, {
      kafkaSessionMs: this.settings.kafkaSessionMs,
      onFatal: (role, error) =>
        context.logger.error({ role, err: error }, `${role} meets an error that waiting may not cure`),
    });
    this.workers.start();
    this.started = true;
  }

  async stop(): Promise<void> {
    await this.process?.stop();
    await this.workers?.stop();
    await this.publisher?.stop();
    await this.context.store.close();
    await this.context.database.close();
  }

  facts(): EngineFacts {
    const roles = [
      ...(this.process ? [{ role: 'control', migration: null, state: this.process.state }] : []),
      ...(this.publisher
        ? [
            {
              role: 'event-publisher',
              migration: null,
              state: this.publisher.status().active ? 'publishing' : 'standby',
            },
          ]
        : []),
      ...(this.workers?.status() ?? []),
    ];
    const reason = this.fatal?.message ?? this.process?.reason ?? this.workers?.reason ?? null;
    return { started: this.started, fatal: this.fatal, ready: this.started && reason === null, reason, roles };
  }

  private fail(role: string, error: Error): void {
    this.fatal = { role, message: error.message };
    this.context.logger.fatal({ role, err: error }, `${role} ended for good`);
  }
}
