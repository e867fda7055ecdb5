import { randomUUID } from 'node:crypto';
import { HighwaterError } from '@highwater/kernel';
import { parseMigrationEvent, type LiveMigration, type Migration } from '@highwater/migration';
import type { Limits } from '@highwater/plan';
import {
  acceptOperation,
  findMigration,
  findOperation,
  listMigrations,
  markOperation,
  openOperations,
  readEvaluation,
  registerMigration,
  type StoredOperation,
} from '@highwater/target-db';
import * as codes from './codes.js';
import { issue, streamOf, type ControlContext } from './context.js';
import type {
  CommandContext,
  CutoverInput,
  MigrationControl,
  MigrationStatusView,
  MigrationSummary,
  Operation,
  ReadinessView,
  StoredEventView,
  UnfillableRowView,
} from './port.js';
import { readPlan, resolvePlan, sha256, shortOf } from './resolve.js';
import { listUnfillable } from './unfillable-view.js';

/** An evaluation older than this says nothing about now. */
const evaluationAgeMsMax = 15_000;

/**
 * The requests, as both apps make them. A request is stored as an operation before it is acknowledged; the control process carries it out.
 * Only `plan` is done at once: nothing runs yet that could carry it out.
 */
export class UseCases implements MigrationControl {
  constructor(private readonly context: ControlContext) {}

  async plan(source: string, by: CommandContext): Promise<Operation> {
    const { state: access } = this.context.database;
    const { parsed } = readPlan(source);
    const id = parsed.plan.migration;
    const operation = await this.accept(id, 'plan', { planHash: parsed.hash }, by);
    if (operation.status !== 'accepted') return view(operation);
    try {
      const { plan, targets } = await resolvePlan(access, source);
      const short = shortOf(id);
      await registerMigration(access, { id, short, planSource: source, planHash: parsed.hash });
      await issue(
        this.context,
        id,
        'Plan',
        {
          planHash: parsed.hash,
          planSource: source,
          short,
          tables: targets.map(({ derivation, targetNo }) => ({
            table: `${derivation.table.schema}.${derivation.table.name}`,
            target: derivation.target.name,
            notNull: plan.tables[targetNo]?.notNull ?? true,
          })),
          mode: plan.cutover.mode,
          stream: plan.stream !== null,
          cutoverStart: plan.cutover.start,
          windowMs: plan.cutover.windowMs,
          approvals: plan.approvals,
          limits: plan.limits,
        },
        { actor: by.actor.name, operationId: operation.id },
      );
      await markOperation(access, operation.id, 'succeeded', { result: { migration: id, planHash: parsed.hash } });
    } catch (error) {
      if (error instanceof HighwaterError)
        await markOperation(access, operation.id, 'failed', {
          error: {
            code: error.code,
            message: error.message,
            ...(error.help === undefined ? {} : { help: error.help }),
          },
        });
      throw error;
    }
    return this.known(operation.id);
  }

  async list(): Promise<readonly MigrationSummary[]> {
    const rows = await listMigrations(this.context.database.state);
    return Promise.all(
      rows.map(async (row) => {
        const { state } = await this.context.runner.state(streamOf(row.id));
        return {
          id: row.id,
          phase: state.phase,
          pause: state.phase === 'none' ? ('running' as const) : state.pause,
          planHash: row.planHash,
        };
      }),
    );
  }

  async get(id: string): Promise<MigrationStatusView> {
    const state = await this.live(id);
    const evaluation = await readEvaluation(this.context.database.state, id);
    if (!evaluation?.status) throw notEvaluated(id, evaluation?.ageMs);
    const status = evaluation.status as MigrationStatusView;
    // what is decided is read from the log; what is measured is as old as the last evaluation says
    return { ...status, phase: state.phase, phaseSince: state.phaseSince, pause: state.pause };
  }

  preflight = (id: string, by: CommandContext): Promise<Operation> => this.ask(id, 'preflight', {}, by);

  async start(id: string, by: CommandContext): Promise<Operation> {
    const state = await this.live(id);
    if (state.phase === 'finished') throw this.phaseError(id, 'start', state);
    return this.ask(id, 'start', {}, by);
  }

  pause = (id: string, by: CommandContext): Promise<Operation> =>
    this.ask(id, 'pause', { reason: by.reason ?? '' }, by);
  resume = (id: string, by: CommandContext): Promise<Operation> =>
    this.ask(id, 'resume', { reason: by.reason ?? '' }, by);
  halt = (id: string, by: CommandContext): Promise<Operation> => this.ask(id, 'halt', { reason: by.reason ?? '' }, by);

  setLimits = (id: string, limits: Partial<Limits>, by: CommandContext): Promise<Operation> =>
    this.ask(id, 'set', { limits }, by);

  async finish(
    id: string,
    input: { afterMs?: number; purge?: boolean; bridgeUnused?: boolean },
    by: CommandContext,
  ): Promise<Operation> {
    const state = await this.live(id);
    if (state.phase !== 'enforced' && state.phase !== 'finished') throw this.phaseError(id, 'finish', state);
    if (state.phase === 'enforced' && !state.streamPlanned && state.bridge && input.bridgeUnused !== true)
      throw new HighwaterError(
        codes.bridgeInUse,
        'never',
        `finish refused for migration "${id}": without a stream nobody reports who still needs the bridge`,
        { migration: id },
        'make sure that no old application writes any more, then ask again with bridgeUnused (--bridge-unused)',
      );
    return this.ask(id, 'finish', { ...input }, by);
  }

  async readiness(id?: string): Promise<ReadinessView> {
    const migration = id ?? (await this.onlyLive());
    await this.live(migration);
    const evaluation = await readEvaluation(this.context.database.state, migration);
    if (!evaluation?.readiness || evaluation.ageMs > evaluationAgeMsMax)
      throw notEvaluated(migration, evaluation?.ageMs);
    return evaluation.readiness as ReadinessView;
  }

  async cutover(id: string | undefined, input: CutoverInput, by: CommandContext): Promise<Operation> {
    const migration = id ?? (await this.onlyLive());
    const state = await this.live(migration);
    if (by.idempotencyKey !== undefined) {
      const earlier = await this.earlier(by.idempotencyKey, hashOf(migration, 'cutover', { ...input }));
      if (earlier) return view(earlier);
    }
    if (state.phase === 'enforced' || state.phase === 'finished') throw this.phaseError(migration, 'cutover', state);
    const running = (await openOperations(this.context.database.state, migration)).find((o) => o.verb === 'cutover');
    if (running || state.phase === 'cutting-over')
      throw attemptUnderWay(migration, running?.id ?? (state.phase === 'cutting-over' ? state.operationId : ''));
    if (state.pause !== 'running' || state.held)
      throw new HighwaterError(
        codes.stopped,
        'never',
        `migration "${migration}" is ${state.held ? 'held' : state.pause}`,
        { migration },
        'resume or release it first',
      );
    const readiness = await this.readiness(migration);
    if (readiness.generation !== input.generation)
      throw new HighwaterError(
        codes.staleGeneration,
        'never',
        `readiness of "${migration}" is at generation ${readiness.generation}, the request saw ${input.generation}`,
        { migration, found: readiness.generation, expected: input.generation },
        'read /cutover/readiness again and present its generation in If-Match',
      );
    if (!readiness.ready) throw new NotReady(readiness);
    const operation = await this.ask(
      migration,
      'cutover',
      { ...input, reason: by.reason ?? '' },
      by,
      hashOf(migration, 'cutover', { ...input }),
    );
    return this.onlyCutover(migration, operation);
  }

  /** Of two that were asked for at the same moment, each stored before it looks, the later one is refused. */
  private async onlyCutover(migration: string, operation: Operation): Promise<Operation> {
    const access = this.context.database.state;
    const [first] = (await openOperations(access, migration)).filter((one) => one.verb === 'cutover');
    if (!first || first.id === operation.id || operation.status !== 'accepted') return operation;
    const refused = attemptUnderWay(migration, first.id);
    const { code, message, help = '' } = refused;
    await markOperation(access, operation.id, 'failed', { error: { code, message, help } });
    throw refused;
  }

  async operation(id: string): Promise<Operation | undefined> {
    const found = await findOperation(this.context.database.state, id);
    return found && view(found);
  }

  async events(id: string, afterVersion: number, limit: number): Promise<readonly StoredEventView[]> {
    await this.live(id);
    const stored = await this.context.store.read(streamOf(id), afterVersion);
    return stored.slice(0, limit).map((event) => ({
      position: event.position.toString(),
      version: event.version,
      ...parseMigrationEvent(event),
    }));
  }

  async unfillable(id: string, page: { limit: number; offset: number }): Promise<readonly UnfillableRowView[]> {
    const state = await this.live(id);
    return listUnfillable(this.context, id, state.targets, page);
  }

  private async ask(
    id: string,
    verb: string,
    request: Readonly<Record<string, unknown>>,
    by: CommandContext,
    requestHash?: string,
  ): Promise<Operation> {
    await this.live(id);
    return view(await this.accept(id, verb, request, by, requestHash));
  }

  private async accept(
    id: string,
    verb: string,
    request: Readonly<Record<string, unknown>>,
    by: CommandContext,
    requestHash: string = hashOf(id, verb, request),
  ): Promise<StoredOperation> {
    const stored = await acceptOperation(this.context.database.state, {
      id: randomUUID(),
      migrationId: id,
      verb,
      actor: by.actor.name,
      request,
      requestHash,
      idempotencyKey: by.idempotencyKey ?? null,
    });
    if (stored.requestHash !== requestHash) throw keyReused(by.idempotencyKey ?? '');
    return stored;
  }

  private async earlier(key: string, requestHash: string): Promise<StoredOperation | undefined> {
    const rows = await this.context.database.state.query<{ id: string }>(
      'looking for the idempotency key',
      'select id from highwater.operation where idempotency_key = $1',
      [key],
    );
    const found = rows[0] && (await findOperation(this.context.database.state, rows[0].id));
    if (found && found.requestHash !== requestHash) throw keyReused(key);
    return found;
  }

  private async known(id: string): Promise<Operation> {
    const found = await this.operation(id);
    if (!found) throw new Error('invariant broken: an accepted operation is stored');
    return found;
  }

  private async live(id: string): Promise<LiveMigration> {
    const { state } = await this.context.runner.state(streamOf(id));
    if (state.phase === 'none') throw await this.unknown(id);
    return state;
  }

  private async onlyLive(): Promise<string> {
    const all = await this.list();
    const live = all.filter(
      (one) => !(['finished', 'none'] as Migration['phase'][]).includes(one.phase as Migration['phase']),
    );
    if (live.length === 1 && live[0]) return live[0].id;
    throw new HighwaterError(
      codes.whichMigration,
      'never',
      live.length === 0
        ? 'no migration is live'
        : `${live.length} migrations are live: ${live.map((one) => one.id).join(', ')}`,
      { live: live.map((one) => one.id) },
      'name one with ?migration=',
    );
  }

  private async unknown(id: string): Promise<HighwaterError> {
    // registered without a first event: `plan` died between the two; planning again completes it
    const half = await findMigration(this.context.database.state, id).catch(() => undefined);
    return new HighwaterError(
      codes.unknownMigration,
      'never',
      `migration "${id}" does not exist${half ? ' yet: its plan was not completed' : ''}`,
      { migration: id },
      'POST /migrations with its plan, or `highwater status` for the list',
    );
  }

  private phaseError(id: string, asked: string, state: LiveMigration): HighwaterError {
    const after = state.phase === 'enforced' ? 'it is enforced already' : `it is in phase "${state.phase}"`;
    return new HighwaterError(codes.wrongPhase, 'never', `${asked} refused for migration "${id}": ${after}`, {
      migration: id,
      phase: state.phase,
    });
  }
}

/** Not ready, with the conditions: what a 422 shows. */
export class NotReady extends HighwaterError {
  constructor(readonly readiness: ReadinessView) {
    const unmet = readiness.conditions.filter((condition) => condition.status !== 'True');
    super(
      codes.notReady,
      'never',
      `migration "${readiness.migration}" is not ready: ${unmet.map((one) => `${one.type} is ${one.status} (${one.reason})`).join(', ')}`,
      { migration: readiness.migration, generation: readiness.generation },
      unmet[0]?.message,
    );
  }
}

const notEvaluated = (id: string, ageMs: number | undefined): HighwaterError =>
  new HighwaterError(
    codes.notEvaluated,
    'backoff',
    ageMs === undefined
      ? `migration "${id}" has not been evaluated yet`
      : `migration "${id}" was last evaluated ${Math.round(ageMs / 1000)} s ago`,
    { migration: id },
    'start a service with process role control',
  );

const attemptUnderWay = (migration: string, operation: string): HighwaterError =>
  new HighwaterError(
    codes.attemptRunning,
    'never',
    `another cutover attempt of "${migration}" is under way`,
    { migration, operation },
    `GET /operations/${operation}`,
  );

const keyReused = (key: string): HighwaterError =>
  new HighwaterError(codes.keyReused, 'never', `idempotency key "${key}" was used before with another request`, {
    key,
  });

const hashOf = (id: string, verb: string, request: object): string => sha256(JSON.stringify([id, verb, request]));

function view(stored: StoredOperation): Operation {
  const { id, migrationId, verb, status, actor, requestedAt, finishedAt, result, error } = stored;
  return { id, migrationId, verb, status, actor, requestedAt, finishedAt, result, error };
}
