import { HighwaterError, must } from '@highwater/kernel';
import { parseMigrationEvent, phases, type LiveMigration, type Migration } from '@highwater/migration';
import type { Limits } from '@highwater/plan';
import {
  findMigration,
  listMigrations,
  markOperation,
  openOperations,
  refuseRowBudget,
  rowSecurityReport,
} from '@highwater/target-db';
import * as codes from './codes.js';
import { streamOf, type ControlContext } from './context.js';
import type { RowSecurityReport } from '@highwater/target-db';
import type {
  CommandContext,
  CutoverInput,
  ForecastView,
  MigrationControl,
  MigrationStatusView,
  LockLimits,
  MigrationSummary,
  Operation,
  Page,
  PlannedStep,
  ReadinessView,
  StoredEventView,
  TableFilter,
  UnfillableFilter,
  UnfillableListFilter,
  UnfillableListView,
  UnfillableRowView,
  VerificationView,
} from './port.js';
import { attemptUnderWay, NotReady, phaseError } from './refusals.js';
import { Requests } from './requests.js';
import { readPlan, resolvePlan, type ResolvedPlan } from './resolve.js';
import { refuseWithoutRowSecurity, rowSecurityOf } from './acts/row-security.js';
import { evaluated } from './evaluated.js';
import { describePlan, describeUnenforce } from '../setup/describe-plan.js';
import { bridgeJudged } from './acts/bridge-unused.js';
import { plannedEntities } from './planned-entities.js';
import { askForRollback, notWhileRollingBack, rollbackSteps } from './rollback-requests.js';
import { Forecasts } from './forecast-view.js';
import { planMigration } from './plan-request.js';
import { atEnd, decided } from './status.js';
import { entriesNamed } from './targets-named.js';
import { exportUnfillable, listUnfillable } from './unfillable-list.js';
import { verificationView } from './verification-view.js';

/** An evaluation older than this says nothing about now. */
const evaluationAgeMsMax = 15_000;

const live = phases.filter((phase) => phase !== 'none' && phase !== 'finished');
const beforeEnforced = live.filter((phase) => phase !== 'enforced');
/** Phases in which there are filled rows to compare and listed ones to try again. */
const compared: readonly Migration['phase'][] = ['sweeping', 'swept', 'bridged', 'cutting-over', 'enforced'];

/**
 * The requests, as both apps make them. A request is stored as an operation before it is acknowledged; the control process carries it out.
 * Only `plan` is done at once: nothing runs yet that could carry it out.
 */
export class UseCases implements MigrationControl {
  private readonly requests: Requests;
  private readonly forecasts: Forecasts;

  constructor(
    private readonly context: ControlContext,
    /** What may be asked for through the API. */
    private readonly allowed: { readonly assertions: boolean } = { assertions: false },
  ) {
    this.requests = new Requests(context.database.state);
    this.forecasts = new Forecasts(context);
  }

  async plan(source: string, by: CommandContext): Promise<Operation> {
    const operation = await planMigration(this.context, this.requests, this.allowed, source, by);
    return must(await this.operation(operation.id), 'an accepted operation is stored');
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
    await this.live(id); // whom nobody planned is not waited for
    const { status } = (await evaluated(this.context.database.state, id)) as { status: MigrationStatusView };
    const state = await this.live(id);
    // what is decided is read from the log; what is measured is as old as the last evaluation says
    const view = { ...status, ...decided(state) };
    return state.phase === 'finished' ? atEnd(view) : view;
  }

  preflight = (id: string, by: CommandContext): Promise<Operation> => this.askIn(live, id, 'preflight', {}, by);

  async start(id: string, by: CommandContext): Promise<Operation> {
    const state = await this.live(id);
    if (state.phase === 'finished') throw phaseError(id, 'start', state);
    return this.ask(id, 'start', {}, by);
  }

  pause = (id: string, by: CommandContext): Promise<Operation> =>
    this.askIn(live, id, 'pause', { reason: by.reason ?? '' }, by);
  resume = (id: string, by: CommandContext): Promise<Operation> =>
    this.askIn(live, id, 'resume', { reason: by.reason ?? '' }, by);
  halt = (id: string, by: CommandContext): Promise<Operation> =>
    this.askIn(live, id, 'halt', { reason: by.reason ?? '' }, by);

  hold = (id: string, by: CommandContext): Promise<Operation> =>
    this.askIn(beforeEnforced, id, 'hold', { reason: by.reason ?? '' }, by);
  release = (id: string, by: CommandContext): Promise<Operation> =>
    this.askIn(beforeEnforced, id, 'release', { reason: by.reason ?? '' }, by);
  async approve(id: string, by: CommandContext, input: { rowSecurity?: boolean } = {}): Promise<Operation> {
    if (input.rowSecurity !== true) return this.askIn(beforeEnforced, id, 'approve', { reason: by.reason ?? '' }, by);
    await this.plannedRowSecurity(id);
    return this.askIn(live, id, 'approve', { reason: by.reason ?? '', rowSecurity: true }, by);
  }

  async rowSecurity(id: string): Promise<readonly RowSecurityReport[]> {
    const reports = [];
    for (const one of rowSecurityOf(await this.plannedRowSecurity(id)))
      reports.push(await rowSecurityReport(this.context.database, one));
    return reports;
  }

  private async plannedRowSecurity(id: string): Promise<ResolvedPlan> {
    const { planSource } = await this.live(id);
    const resolved = await resolvePlan(this.context.database.state, planSource);
    if (rowSecurityOf(resolved).length > 0) return resolved;
    throw new HighwaterError(codes.noRowSecurity, 'never', `the plan of migration "${id}" has no row level security`, {
      migration: id,
    });
  }

  async setLimits(id: string, limits: Partial<Limits>, by: CommandContext): Promise<Operation> {
    await this.live(id);
    const { rowBudgetMs } = limits;
    if (rowBudgetMs !== undefined) await refuseRowBudget(this.context.database.state, id, rowBudgetMs);
    return this.askIn(live, id, 'set', { limits, ...(by.reason === undefined ? {} : { reason: by.reason }) }, by);
  }

  async verify(id: string, by: CommandContext): Promise<Operation> {
    return this.askOnce('verification', id, 'verify', { reason: by.reason ?? '' }, by);
  }

  async verification(id: string, page: Page & TableFilter): Promise<VerificationView> {
    return verificationView(this.context, id, await this.live(id), page);
  }

  async forecast(id: string, filter: TableFilter): Promise<ForecastView> {
    return this.forecasts.view(id, await this.live(id), filter);
  }

  async retryUnfillable(id: string, filter: UnfillableFilter, by: CommandContext): Promise<Operation> {
    const state = await this.live(id);
    entriesNamed(id, state.targets, plannedEntities(state), filter.table);
    return this.askOnce('retry', id, 'retry', { ...filter, why: by.reason ?? '' }, by);
  }

  async unenforce(id: string, input: LockLimits, by: CommandContext): Promise<Operation> {
    const state = await this.live(id);
    const open = await openOperations(this.context.database.state, id);
    const some = state.targets.some((target) => target.enforcement === 'enforced');
    // once finish has judged the bridge unused it takes it away: what would keep old writers alive afterwards is gone
    if (!['enforced', 'bridged'].includes(state.phase) || !some || open.some((one) => bridgeJudged(one)))
      throw phaseError(id, 'unenforce', state);
    return this.ask(id, 'unenforce', { ...input, reason: by.reason ?? '' }, by);
  }

  rollback = async (id: string, input: LockLimits, by: CommandContext): Promise<Operation> =>
    askForRollback(this.context, this.requests, id, await this.live(id), input, by);

  rollbackSteps = async (id: string): Promise<readonly PlannedStep[]> =>
    rollbackSteps(this.context, id, await this.live(id));

  async steps(id: string): Promise<readonly PlannedStep[]> {
    const state = await this.live(id);
    const resolved = await resolvePlan(this.context.database.state, state.planSource);
    return [...describePlan(resolved), ...describeUnenforce(resolved)];
  }

  async finish(
    id: string,
    input: { afterMs?: number; bridgeUnused?: boolean; withoutRowSecurity?: boolean },
    by: CommandContext,
  ): Promise<Operation> {
    const state = await this.live(id);
    if (state.phase === 'finished' && state.outcome !== 'rolled-back')
      return this.finishedBefore(id, state.leftovers, input, by);
    if (state.phase !== 'enforced') throw phaseError(id, 'finish', state);
    if (!state.streamPlanned && state.bridge && input.bridgeUnused !== true)
      throw new HighwaterError(
        codes.bridgeInUse,
        'never',
        `finish refused for migration "${id}": without a stream nobody reports who still needs the bridge`,
        { migration: id },
        'make sure that no old application writes any more, then ask again with bridgeUnused (--bridge-unused)',
      );
    if (input.withoutRowSecurity !== true && hasRowSecurity(state))
      await refuseWithoutRowSecurity(
        this.context.database.state,
        id,
        await resolvePlan(this.context.database.state, state.planSource),
      );
    return this.ask(id, 'finish', { ...input }, by);
  }

  /** Asked for once more: it is so already, and no process is left that could say it. */
  private async finishedBefore(
    id: string,
    leftovers: readonly string[],
    input: object,
    by: CommandContext,
  ): Promise<Operation> {
    const operation = await this.requests.ask(id, 'finish', { ...input }, by);
    if (operation.status === 'accepted')
      await markOperation(this.context.database.state, operation.id, 'succeeded', { result: { leftovers } });
    return must(await this.operation(operation.id), 'an accepted operation is stored');
  }

  async readiness(id?: string): Promise<ReadinessView> {
    const migration = id ?? (await this.onlyLive());
    await this.live(migration);
    return (await evaluated(this.context.database.state, migration, evaluationAgeMsMax)).readiness as ReadinessView;
  }

  async cutover(id: string | undefined, input: CutoverInput, by: CommandContext): Promise<Operation> {
    const migration = id ?? (await this.onlyLive());
    const state = await this.live(migration);
    const asked = { ...input }; // the reason is not part of what makes two requests one
    const earlier = await this.requests.earlier(migration, 'cutover', asked, by);
    if (earlier) return notRefused(earlier);
    if (state.phase === 'enforced' || state.phase === 'finished') throw phaseError(migration, 'cutover', state);
    await notWhileRollingBack(this.context, migration, 'cutover');
    const running = (await openOperations(this.context.database.state, migration)).find((o) => o.verb === 'cutover');
    if (running || state.phase === 'cutting-over') {
      const same = await this.requests.earlier(migration, 'cutover', asked, by); // stored since it was looked for
      if (same) return notRefused(same);
      throw attemptUnderWay(migration, running?.id ?? (state.phase === 'cutting-over' ? state.operationId : ''));
    }
    if (state.pause !== 'running' || state.held)
      throw new HighwaterError(
        codes.stopped,
        'never',
        `migration "${migration}" is ${state.held ? 'held' : state.pause}`,
        { migration },
        state.held ? `highwater release ${migration}` : `highwater resume ${migration}`,
      );
    const readiness = await this.readiness(migration);
    if (readiness.generation !== input.generation)
      throw new HighwaterError(
        codes.staleGeneration,
        'never',
        `readiness of "${migration}" is at generation ${readiness.generation}, the request saw ${input.generation}`,
        { migration, found: readiness.generation, expected: input.generation },
        `read it again (highwater readiness ${migration}), decide again, and present its generation (--generation, If-Match)`,
      );
    if (!readiness.ready) throw new NotReady(readiness);
    const operation = await this.requests.ask(migration, 'cutover', { ...asked, reason: by.reason ?? '' }, by, asked);
    return this.onlyCutover(migration, notRefused(operation));
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

  operation = (id: string): Promise<Operation | undefined> => this.requests.find(id);

  async events(id: string, afterVersion: number, limit: number): Promise<readonly StoredEventView[]> {
    await this.live(id);
    const stored = await this.context.store.read(streamOf(id), afterVersion);
    return stored.slice(0, limit).map((event) => ({
      position: event.position.toString(),
      version: event.version,
      ...parseMigrationEvent(event),
    }));
  }

  async unfillable(id: string, page: Page & UnfillableListFilter): Promise<UnfillableListView> {
    return listUnfillable(this.context, id, await this.live(id), page);
  }

  async unfillablePages(
    id: string,
    filter: UnfillableListFilter,
  ): Promise<AsyncIterable<readonly UnfillableRowView[]>> {
    return exportUnfillable(this.context, id, await this.live(id), filter);
  }

  private async askIn(
    phases: readonly Migration['phase'][],
    id: string,
    verb: string,
    request: Readonly<Record<string, unknown>>,
    by: CommandContext,
  ): Promise<Operation> {
    const state = await this.live(id);
    const earlier = await this.requests.earlier(id, verb, request, by);
    if (earlier) return earlier;
    if (!phases.includes(state.phase)) throw phaseError(id, verb, state);
    await notWhileRollingBack(this.context, id, verb);
    return this.requests.ask(id, verb, request, by);
  }

  /** For what reads a whole table: a second one beside the first would only be slower. */
  private async askOnce(
    what: string,
    id: string,
    verb: string,
    request: Readonly<Record<string, unknown>>,
    by: CommandContext,
  ): Promise<Operation> {
    const earlier = await this.requests.earlier(id, verb, request, by);
    if (earlier) return earlier;
    const running = (await openOperations(this.context.database.state, id)).find((one) => one.verb === verb);
    if (running) throw attemptUnderWay(id, running.id, what);
    return this.askIn(compared, id, verb, request, by);
  }

  private async ask(
    id: string,
    verb: string,
    request: Readonly<Record<string, unknown>>,
    by: CommandContext,
  ): Promise<Operation> {
    await this.live(id);
    await notWhileRollingBack(this.context, id, verb);
    return this.requests.ask(id, verb, request, by);
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
      live.length === 0
        ? 'highwater start plan.yaml, or POST /migrations'
        : `name one: highwater readiness ${live[0]?.id ?? ''}, over HTTP ?migration=${live[0]?.id ?? ''}`,
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
      '`highwater status` lists those there are; `highwater start plan.yaml` (POST /migrations) begins one',
    );
  }
}

/** A cutover that was refused after it was stored is refused again, in the same words: its key asked for nothing that anybody began. */
function notRefused(cutover: Operation): Operation {
  const { error, migrationId } = cutover;
  if (cutover.status !== 'failed' || error?.code !== codes.attemptRunning) return cutover;
  throw new HighwaterError(codes.attemptRunning, 'never', error.message, { migration: migrationId }, error.help);
}

const hasRowSecurity = ({ planSource }: LiveMigration): boolean =>
  readPlan(planSource).parsed.plan.tables.some((entry) => entry.rowLevelSecurity !== undefined);
