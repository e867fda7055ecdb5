import { setTimeout as pause } from 'node:timers/promises';
import { CommandRunner, eventStore } from '@highwater/event-store';
import { isHighwaterError, messageOf } from '@highwater/kernel';
import { EventTopicProducer } from '@highwater/messaging';
import { migrationDecider, parseMigrationEvent } from '@highwater/migration';
import { accessRoles, installSchema, openDatabase, tryLead } from '@highwater/target-db';
import { armFailpoints, createMetrics } from '@highwater/telemetry';
import { Control } from './control/control.js';
import type { ControlContext } from './control/context.js';
import { UseCases } from './control/use-cases.js';
import type { CreateEngine, Engine, EngineFacts, ProcessRole } from './engine-port.js';
import { EventPublisher } from './event-publisher/event-publisher.js';
import type { Settings } from './settings.js';
import { Waits, type Wait } from './waits.js';
import { Workers } from './workers.js';

const connectEveryMs = 1_000;

/**
 * Everything of Highwater in one process, composed once for the service and for `highwater run`. Connects, installs or upgrades schema
 * `highwater`, and starts nothing: `start` does.
 */
export const createEngine: CreateEngine = async (settings, logger, options = {}) => {
  armFailpoints(settings.failpoints ?? []);
  const database = openDatabase(settings.database);
  const { tls, tlsCa, allowPlaintext } = settings.database;
  const store = eventStore({
    url: settings.database.urls.state,
    ...(tls === undefined ? {} : { tls }),
    ...(tlsCa === undefined ? {} : { tlsCa }),
    ...(allowPlaintext === undefined ? {} : { allowPlaintext }),
    applicationName: `highwater/${database.instance}/state`,
  });
  const runner = new CommandRunner(store, migrationDecider, parseMigrationEvent);
  const metrics = createMetrics();
  const engine = new RunningEngine({ database, kafka: settings.kafka, store, runner, logger, metrics }, settings);
  try {
    await engine.connect();
  } catch (error) {
    if (options.waitForDatabase === true && mayPass(error)) return engine;
    await engine.stop();
    throw error;
  }
  return engine;
};

/** A server that is away, starting or full comes back; a wrong password or a missing grant stays. */
const mayPass = (error: unknown): boolean => isHighwaterError(error) && error.retry !== 'never';

class RunningEngine implements Engine {
  readonly control: UseCases;
  readonly metrics: ControlContext['metrics'];
  private process: Control | undefined;
  private workers: Workers | undefined;
  private publisher: EventPublisher | undefined;
  private fatal: EngineFacts['fatal'] = null;
  private started = false;
  private stopped: Promise<void> | undefined;
  private connected = false;
  /** Why there is no connection yet. */
  private away: string | null = 'not connected yet';
  private readonly ended = new AbortController();
  private readonly waits = new Waits();

  constructor(
    private readonly context: ControlContext,
    private readonly settings: Settings,
  ) {
    this.control = new UseCases(context, { assertions: settings.allowAssertions === true });
    this.metrics = context.metrics;
  }

  /** Connects as each access role, so that a wrong URL is known at once and by its role, and installs schema `highwater`. */
  async connect(): Promise<void> {
    const { database, store } = this.context;
    try {
      for (const role of accessRoles) await database[role].query('starting', 'select 1');
      await installSchema(database);
      await store.connect();
    } catch (error) {
      this.away = messageOf(error);
      throw error;
    }
    this.away = null;
    this.connected = true;
  }

  private async untilConnected(): Promise<void> {
    const { logger } = this.context;
    const { signal } = this.ended;
    for (let attempt = 0; !this.connected && !signal.aborted; attempt += 1) {
      // said at once and then once a minute
      if (attempt % 60 === 0) logger.warn({ reason: this.away }, 'the database is away; waiting for it');
      await pause(connectEveryMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.connect().catch((error: unknown) => {
        // what is in use while it is closed fails in ways that say nothing about the database
        if (!signal.aborted && !mayPass(error)) throw error;
      });
    }
  }

  async start(roles: readonly ProcessRole[]): Promise<void> {
    const { context } = this;
    await this.untilConnected();
    if (this.ended.signal.aborted) return;
    const has = new Set(roles);
    if (has.has('control')) {
      this.process = new Control(context, this.waits);
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
      waits: this.waits,
      kafkaSessionMs: this.settings.kafkaSessionMs,
      onFatal: (role, error) =>
        context.logger.error({ role, err: error }, `${role} meets an error that waiting may not cure`),
    });
    this.workers.start();
    this.started = true;
  }

  /** Asked twice, it is stopped once. */
  stop(): Promise<void> {
    return (this.stopped ??= this.drain());
  }

  waitsFor(): readonly Wait[] {
    return this.stopped ? this.waits.list() : [];
  }

  private drain(): Promise<void> {
    this.ended.abort();
    const { waits } = this;
    const { store, database, logger } = this.context;
    return waits.whileStopping(logger, async () => {
      await this.process?.stop();
      await this.workers?.stop();
      await waits.during('the event publisher', () => this.publisher?.stop());
      await waits.during('the connections of the event store', () => store.close());
      await waits.during('the connections to the database', () => database.close());
    });
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
    const reason = this.away ?? this.fatal?.message ?? this.process?.reason ?? this.workers?.reason ?? null;
    return { started: this.started, fatal: this.fatal, ready: this.started && reason === null, reason, roles };
  }

  private fail(role: string, error: Error): void {
    this.fatal = { role, message: error.message };
    this.context.logger.fatal({ role, err: error }, `${role} ended for good`);
  }
}
