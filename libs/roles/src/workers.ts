import { setTimeout as pause } from 'node:timers/promises';
import { messageOf, migrationId } from '@highwater/kernel';
import type { BrokenStream } from '@highwater/change-stream';
import type { KafkaSettings } from '@highwater/messaging';
import type { Limits } from '@highwater/plan';
import { findMigration, listMigrations, type RegisteredMigration } from '@highwater/target-db';
import { complain } from './complain.js';
import { runCommand, type ControlContext } from './control/context.js';
import { publishedSources } from './control/published-tables.js';
import { resolveOrRemember, type ResolvedPlan } from './control/resolve.js';
import type { ProcessRole } from './engine-port.js';
import { Filler } from './filler/filler.js';
import { Reconciles } from './reconciles.js';
import { Relay } from './relay/relay.js';
import { Sweeper } from './sweeper/sweeper.js';
import { Waits } from './waits.js';
import { fillerSays, relaySays, sweeperSays, WorkerReporter, type Said } from './worker-report.js';

const lookEveryMs = 300;

/** Phases in which ranges may be open. */
const sweepPhases: ReadonlySet<string> = new Set(['sweeping', 'swept', 'bridged', 'cutting-over']);

interface Worker {
  readonly role: ProcessRole;
  /** Everything the worker was started with; another text means another worker. */
  readonly identity: string;
  readonly stop: () => Promise<void>;
  readonly says: () => Said;
  /** Brings the metrics of the worker up to date. */
  readonly measure?: () => void;
}

/** Of a worker's name, `role/migration`. */
const migrationOf = (name: string): string => name.slice(name.indexOf('/') + 1);

/**
 * Starts and stops relay, filler and sweeper of every live migration as its row says: what runs follows from `phase`, `epoch`, `stream`
 * and `limits` alone, so a restarted process, or one more process, needs to be told nothing.
 */
export class Workers {
  private readonly ended = new AbortController();
  private running: Promise<void> | undefined;
  private readonly workers = new Map<string, Worker>();
  private readonly reporter: WorkerReporter;
  /** What was complained of last, by worker. */
  private readonly said = new Map<string, string>();
  private readonly reconciles = new Reconciles();
  private readonly waits: Waits;
  /** Why the migrations could not be listed, the last time that they were asked for. */
  private away: string | null = null;

  constructor(
    private readonly context: ControlContext,
    private readonly roles: ReadonlySet<ProcessRole>,
    private readonly options: {
      readonly kafkaSessionMs?: number | undefined;
      /** Where starts and stops that are under way are kept by name. */
      readonly waits?: Waits;
      readonly onFatal: (role: string, error: Error) => void;
    },
  ) {
    this.waits = options.waits ?? new Waits();
    this.reporter = new WorkerReporter(context.database.state, context.database.instance);
  }

  /** Why not everything runs that should; null: nothing is known to be missing. */
  get reason(): string | null {
    return this.away ?? this.reconciles.failure;
  }

  start(): void {
    this.running ??= Promise.all([this.live(), this.report()]).then(() => undefined);
  }

  /** Intake first (relay), then what is under way. */
  async stop(): Promise<void> {
    this.ended.abort();
    await this.waits.during('the look at the migrations', () => this.running);
    await this.reconciles.ended(); // what one of them has begun to start is stopped with the others
    await Promise.all([...this.workers].map(([name, worker]) => this.end(name, worker)));
    this.workers.clear();
    // a database that is away misses us soon enough
    await this.waits.during('the last report of workers', () => this.reporter.forget()).catch(() => undefined);
  }

  private end(name: string, worker: Worker): Promise<void> {
    return this.waits.during(`the stop of ${name}`, () => worker.stop());
  }

  status(): { role: string; migration: string; state: string }[] {
    return [...this.workers].map(([name, worker]) => ({
      role: worker.role,
      migration: migrationOf(name),
      state: worker.says().state,
    }));
  }

  private async live(): Promise<void> {
    const { signal } = this.ended;
    while (!signal.aborted) {
      try {
        const migrations = await listMigrations(this.context.database.state);
        if (signal.aborted) return;
        // side by side, and none waited for: what waits for Kafka in one must keep nothing waiting that is new in another
        this.reconciles.begin(migrations, (migration) => this.reconcile(migration));
        this.away = null;
        this.said.delete('');
      } catch (error) {
        this.away = messageOf(error);
        this.complain('', error, {}, 'workers could not be reconciled; tried again');
      }
      await pause(lookEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Beside the starts and stops, which may wait for Kafka: whoever looks at the status would take those that work for gone. */
  private async report(): Promise<void> {
    const { signal } = this.ended;
    while (!signal.aborted) {
      try {
        for (const worker of this.workers.values()) worker.measure?.();
        await this.reporter.offer(
          [...this.workers].map(([name, { role, says }]) => ({ migrationId: migrationOf(name), role, says: says() })),
        );
      } catch (error) {
        this.context.logger.debug({ err: error }, 'workers could not be reported');
      }
      await pause(lookEveryMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private complain(of: string, error: unknown, fields: object, text: string): void {
    this.said.set(of, complain(this.context.logger, this.said.get(of), error, fields, text));
  }

  /** Answers what the first worker failed of that could not be started or stopped; null: none did. */
  private async reconcile(migration: RegisteredMigration): Promise<string | null> {
    const failures: string[] = [];
    const { epoch, stream, phase, limits, schemaChanged } = migration;
    const streaming = stream !== null && this.context.kafka !== undefined && phase !== 'finished';
    const wanted = new Map<ProcessRole, string>();
    // changed or restored: compiled again, against the catalog that fits
    const about = JSON.stringify({ epoch, stream, limits, schemaChanged });
    if (streaming && this.roles.has('relay')) wanted.set('relay', JSON.stringify({ epoch, stream }));
    // the only limit that fillers know: any other must not send the consumer group into a rebalance
    const { rowBudgetMs } = limits;
    if (streaming && this.roles.has('filler')) wanted.set('filler', JSON.stringify({ epoch, stream, rowBudgetMs }));
    if (sweepPhases.has(phase) && this.roles.has('sweeper')) wanted.set('sweeper', about);
    // the sweeper first: it needs no Kafka, and a broker that is away must not keep it waiting
    for (const role of ['sweeper', 'relay', 'filler'] as const)
      // nor must a worker that cannot start, or a migration whose table is gone, keep away any other
      try {
        await this.reconcileOne(role, wanted.get(role), migration);
        this.said.delete(`${role}/${migration.id}`);
      } catch (error) {
        failures.push(`${role} of migration "${migration.id}": ${messageOf(error)}`);
        const fields = { migrationId: migration.id, role };
        this.complain(`${role}/${migration.id}`, error, fields, 'worker could not be started or stopped; tried again');
      }
    return failures[0] ?? null;
  }

  private async reconcileOne(
    role: ProcessRole,
    identity: string | undefined,
    migration: RegisteredMigration,
  ): Promise<void> {
    const name = `${role}/${migration.id}`;
    const running = this.workers.get(name);
    if (running && running.identity !== identity) {
      this.workers.delete(name);
      await this.end(name, running);
    }
    if (identity === undefined || this.workers.has(name) || this.ended.signal.aborted) return;
    const begin = (): Promise<Worker> => this.begin(role, identity, migration);
    this.workers.set(name, await this.waits.during(`the start of ${name}`, begin));
  }

  private async begin(role: ProcessRole, identity: string, migration: RegisteredMigration): Promise<Worker> {
    const { context } = this;
    const { database, kafka, logger } = context;
    const { plan, targets, entities } = await resolveOrRemember(database.state, migration);
    const limits = { ...plan.limits, ...migration.limits } as Limits;
    const onFatal = (error: Error): void => this.options.onFatal(role, error);
    const onBroken = (broken: BrokenStream): void => void this.broken(migration, broken);
    const log = logger.child({ role, migrationId: migration.id });
    if (role === 'sweeper') {
      const sweeper = new Sweeper({
        database,
        migrationId: migration.id,
        epoch: migration.epoch,
        stream: migration.stream,
        ...(plan.stream ? { retainedWalBytes: plan.stream.retainedWalBytes } : {}),
        targets,
        limits,
        logger: log,
        onFatal,
      });
      await sweeper.start();
      return { role, identity, stop: () => sweeper.stop(), says: () => sweeperSays(sweeper.status()) };
    }
    const { stream } = migration;
    if (!stream || !kafka) throw new Error('invariant broken: relay and filler need a stream and Kafka');
    if (role === 'relay') {
      const relay = new Relay({
        database,
        kafka,
        migrationId: migrationId(migration.id),
        short: migration.short,
        stream,
        targets,
        sources: publishedSources(entities),
        logger: log,
        onBroken,
      });
      await relay.start();
      const labels = { migration: migration.id };
      return {
        role,
        identity,
        stop: async () => {
          await relay.stop();
          // an alarm for a migration that nobody relays would never end
          context.metrics.relayActive.remove(labels);
          context.metrics.streamLastEvent.remove(labels);
        },
        says: () => relaySays(relay.status()),
        measure: () => {
          const { state, lastEventAt } = relay.status();
          context.metrics.relayActive.set(labels, state === 'streaming' ? 1 : 0);
          if (lastEventAt) context.metrics.streamLastEvent.set(labels, lastEventAt.getTime() / 1_000);
        },
      };
    }
    const filler = this.filler(migration, stream, kafka, { targets, entities }, limits, log, onBroken, onFatal);
    try {
      await filler.start();
    } catch (error) {
      await filler.stop().catch(() => undefined); // what is open already would stay open
      throw error;
    }
    return { role, identity, stop: () => filler.stop(), says: () => fillerSays(filler.status()) };
  }

  private filler(
    migration: RegisteredMigration,
    stream: NonNullable<RegisteredMigration['stream']>,
    kafka: KafkaSettings,
    work: Pick<ResolvedPlan, 'targets' | 'entities'>,
    limits: Limits,
    logger: ControlContext['logger'],
    onBroken: (broken: BrokenStream) => void,
    onFatal: (error: Error) => void,
  ): Filler {
    const { metrics } = this.context;
    return new Filler({
      database: this.context.database,
      kafka,
      migrationId: migration.id,
      stream,
      ...work,
      limits,
      logger,
      ...(this.options.kafkaSessionMs === undefined ? {} : { sessionTimeoutMs: this.options.kafkaSessionMs }),
      onBroken,
      onFatal,
      onEntitiesMade: ({ target, made }) =>
        metrics.entitiesMade.inc({ migration: migration.id, table: target.entity.table.name, source: 'live' }, made),
      onBatchFilled: ({ target, verdicts, tookMs }) => {
        const labels = { migration: migration.id, table: target.derivation.table.name };
        metrics.liveBatch.observe(labels, tookMs / 1000);
        metrics.rowsFilled.inc({ ...labels, source: 'live' }, verdicts.filled ?? 0);
        for (const [verdict, count] of Object.entries(verdicts))
          metrics.hints.inc({ migration: migration.id, verdict }, count);
      },
    });
  }

  /**
   * Recorded by whoever noticed; a second report of the same epoch changes nothing. A stream that a finish or a rollback has taken down is not broken:
   * a worker that hears of that only by its slot or topic being gone says nothing.
   */
  private async broken(migration: RegisteredMigration, broken: BrokenStream): Promise<void> {
    for (let attempt = 0; !this.ended.signal.aborted; attempt += 1) {
      try {
        const now = await findMigration(this.context.database.state, migration.id);
        if (now?.stream === null) return;
        // a refusal is final: the migration has finished meanwhile
        await runCommand(this.context, migration.id, 'RecordStreamBroken', {
          epoch: migration.epoch,
          reason: broken.reason,
          message: broken.message,
        });
        return;
      } catch (error) {
        this.context.logger.error(
          { migrationId: migration.id, err: error },
          'the broken stream could not be recorded yet',
        );
        await pause(Math.min(5_000, 200 * 2 ** attempt), undefined, { signal: this.ended.signal }).catch(
          () => undefined,
        );
      }
    }
  }
}
