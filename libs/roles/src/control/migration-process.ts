import { setTimeout as pause } from 'node:timers/promises';
import { isHighwaterError } from '@highwater/kernel';
import {
  evaluateReadiness,
  readinessSubject,
  retentionRate,
  type LiveMigration,
  type Observations,
  type Readiness,
} from '@highwater/migration';
import { RateWindow } from '@highwater/sweep';
import {
  databaseError,
  markOperation,
  openOperations,
  projectSchemaFit,
  readBridgeUses,
  readEvaluation,
  readFillProgress,
  saveEvaluation,
  type RegisteredMigration,
} from '@highwater/target-db';
import { complain } from '../complain.js';
import { Waits } from '../waits.js';
import { bridgeInUse } from './codes.js';
import { budgetOf } from './acts/budget.js';
import { bridgeJudged } from './acts/bridge-unused.js';
import { rowSecurityStatus } from './acts/row-security.js';
import { askForCutover, carryOutCutover } from './acts/asked-cutover.js';
import { undoGuards } from './acts/cutover.js';
import { beginEntities, entityRound } from './acts/create-entities.js';
import { expand } from './acts/expand.js';
import { keepForecast } from './acts/keep-forecast.js';
import { writeFence } from './acts/fence.js';
import { finish } from './acts/finish.js';
import { bridgeAll } from './acts/install-bridge.js';
import { buildNullIndexes } from './acts/null-indexes.js';
import { openStream } from './acts/open-stream.js';
import { rollBack } from './acts/rollback.js';
import { forgetMetrics, keepWithinRetention } from './acts/retention.js';
import { completeSweep, startSweep, startTailPass } from './acts/sweep.js';
import { unenforceAsked } from './acts/unenforce.js';
import { verifyAfterBridge } from './acts/verify.js';
import { projectState, streamOf, type ControlContext } from './context.js';
import { issueReadiness } from './issue-readiness.js';
import { readEntities } from './entity-status.js';
import { readFacts } from './facts.js';
import { finishWords } from './finish-asked.js';
import { nextAct, type Act } from './next-act.js';
import { lookAtNullCounts, notCounted, readNullCounts, type NullCounts } from './null-counts.js';
import { observe } from './observe.js';
import { carryOutLong } from './long-operations.js';
import { carryOut, fail, failOpen } from './operations.js';
import type { MigrationStatusView, ReadinessView } from './port.js';
import { say, type ProcessState } from './process-state.js';
import { resolveOrRemember, type PlanRejected } from './resolve.js';
import { serverClock } from './server-clock.js';
import { resumedAt, statusView } from './status.js';
import { readStatusFacts } from './status-facts.js';
import { waitMessage } from './wait-message.js';

const evaluateEveryMs = 500;
/** In phases in which only an operator moves anything. */
const restingEveryMs = 2_000;
const resting: readonly LiveMigration['phase'][] = ['planned', 'preflight-failed', 'enforced'];
const operationsEveryMs = 150;
const actEveryMs = 150;
const longEveryMs = 250;
const retryMsMax = 10_000;
const readinessAgeMsMax = 5_000;

/*
 * The control process of one migration: loops over the same log, each of which may die at any point and be started elsewhere.
 *
 *   operations  accepted requests → commands (pause and halt wait for the gate) ........ durable: the operation's row
 *   act         state + facts → nextAct → one idempotent act → its event ............... durable: the event; truth: catalog and tables
 *   long        verification, retry, index builds, by the page ....................... durable: cursor and entries
 *   entities    those that are missing, source by source, by the page ................. durable: the entities, then the cursor
 *   evaluate    observations → readiness + status, stored in the migration's row ....... durable: the row; BecameReady, CeasedReady
 *
 * Nothing is remembered in between that decides anything: a new process reads the log and the catalog and goes on.
 */
export class MigrationProcess {
  private readonly ended = new AbortController();
  private readonly rate = new RateWindow();
  /** Where this process found the migration; undefined until it has looked. */
  private resumedFrom: MigrationStatusView['resumedFrom'] | undefined;
  private loops: Promise<void>[] = [];
  private process: ProcessState | undefined;
  private readiness: Readiness | undefined;
  /** Monotonic; readiness that is older says nothing about now. */
  private evaluatedAtMs = -Infinity;
  private nulls: NullCounts = notCounted;
  private schemaChanged = false;
  /** Why the plan could not be compiled against the present catalog. */
  private unfit: PlanRejected | undefined;
  /** The catalog has to be looked at again. */
  private stale = false;
  private failures = 0;

  constructor(
    private readonly context: ControlContext,
    private readonly migration: RegisteredMigration,
    private readonly waits = new Waits(),
  ) {}

  start(): void {
    this.loops = [
      this.loop('operations', operationsEveryMs, () => this.carryOutOperations()),
      this.loop('act', actEveryMs, () => this.act()),
      this.loop('evaluate', evaluateEveryMs, () => this.evaluate()),
      this.loop('long operations', longEveryMs, () => this.roundOf(carryOutLong)),
      this.loop('entities', longEveryMs, () => this.roundOf(entityRound)),
    ];
  }

  async stop(): Promise<void> {
    this.ended.abort();
    await Promise.allSettled(this.loops);
    if (this.process) forgetMetrics(this.context, this.process);
  }

  private async loop(name: string, everyMs: number, round: () => Promise<void>): Promise<void> {
    const { signal } = this.ended;
    let said = '';
    while (!signal.aborted) {
      try {
        await this.waits.during(`${name} of control/${this.migration.id}`, round);
        said = '';
      } catch (error) {
        if (signal.aborted) return;
        const fields = { migrationId: this.migration.id, loop: name };
        said = complain(this.context.logger, said, error, fields, `control loop ${name} failed; it goes on`);
        await pause(1_000, undefined, { signal }).catch(() => undefined);
      }
      await pause(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async state(): Promise<LiveMigration | undefined> {
    const { state } = await this.context.runner.state(streamOf(this.migration.id));
    return state.phase === 'none' ? undefined : state;
  }

  /**
   * The plan compiled against the catalog; again after expand, when columns were added. Where the tables no longer fit the plan, compiled
   * against the catalog it fitted last: what is there must still be taken back, and whoever asks must still hear why nothing goes on.
   */
  private async resolved(): Promise<ProcessState> {
    if (this.process && !this.stale) return this.process;
    const { plan, catalog, targets, entities, parsed, unfit } = await resolveOrRemember(
      this.context.database.state,
      this.migration,
    );
    this.unfit = unfit;
    this.stale = false;
    if (this.process) return Object.assign(this.process, { plan, catalog, targets, entities });
    const open = await openOperations(this.context.database.state, this.migration.id);
    this.process = {
      id: this.migration.id,
      short: this.migration.short,
      planHash: parsed.hash,
      planSource: this.migration.planSource,
      plan,
      catalog,
      targets,
      entities,
      doing: { code: 'Starting', message: 'the control process has begun', since: new Date() },
      blocked: false,
      // a finish that died half way: its stream must not be shown to relays again, they would report it as broken
      finishing: open.some(bridgeJudged),
    };
    return this.process;
  }

  private async carryOutOperations(): Promise<void> {
    const open = await openOperations(this.context.database.state, this.migration.id);
    if (open.length === 0) return;
    const begins = (verb: string): boolean => verb === 'preflight' || verb === 'start';
    this.stale ||= this.unfit !== undefined && open.some(({ verb }) => begins(verb));
    const process = await this.resolved();
    const { unfit } = this;
    // those who ask to begin are told that the catalog does not fit the plan, and may ask again when it does
    for (const operation of open) if (unfit && begins(operation.verb)) await fail(this.context, operation, unfit);
    await carryOut(this.context, process, unfit ? open.filter(({ verb }) => !begins(verb)) : open);
  }

  private async act(): Promise<void> {
    const state = await this.state();
    if (!state) return;
    const operations = await openOperations(this.context.database.state, this.migration.id);
    if (state.phase === 'finished' && !operations.some((one) => one.verb === 'rollback')) return;
    const process = await this.resolved();
    const { facts } = await readFacts(this.context, process, state, operations, {
      nulls: this.nulls,
      schemaChanged: this.schemaChanged,
      ready: this.ready,
    });
    process.finishing ||= facts.bridgeJudged;
    const act = nextAct(facts);
    try {
      await this.perform(act, process, state);
      this.failures = 0;
      process.blocked = false;
    } catch (error) {
      if (this.ended.signal.aborted) return;
      await this.failed(act, process, error);
    }
  }

  private async perform(act: Act, process: ProcessState, state: LiveMigration): Promise<void> {
    const { context } = this;
    const { signal } = this.ended;
    const doing = (message: string): void => say(process, act.kind, message, new Date());
    switch (act.kind) {
      case 'wait':
        say(process, act.reason, waitMessage(act.reason, process), new Date());
        return;
      case 'expand':
        doing('looking ahead');
        await keepForecast(context, process.id, state, signal);
        doing('adding columns');
        await expand(context, process, state, signal);
        this.stale = true;
        return;
      case 'openStream':
        doing(`opening the stream, epoch ${act.epoch}`);
        return openStream(context, process, act.epoch, signal);
      case 'startSweep':
        doing('reading where history ends');
        return startSweep(context, process, state, act.epoch);
      case 'createEntities':
        doing('reading how many rows their sources have');
        return beginEntities(context, process, act.epoch, act.pass);
      case 'buildNullIndexes':
        doing('building the partial indexes over NULL rows');
        await buildNullIndexes(context, process, signal);
        this.nulls = await readNullCounts(context, process, signal);
        return;
      case 'tailPass':
        doing(`tail pass ${act.pass}`);
        return startTailPass(context, process, state.epoch, act.pass, this.nulls.byTarget);
      case 'completeSweep':
        return completeSweep(context, process, state.epoch);
      case 'installBridge':
        doing('installing the bridge');
        return bridgeAll(context, process, state, signal);
      case 'fence':
        await writeFence(context, process, state, 'readiness');
        return;
      case 'verify':
        return doing(`${await verifyAfterBridge(context, process)} rows compared`);
      case 'unenforce':
        doing('dropping NOT NULL');
        return unenforceAsked(context, process, state, act.operationId, signal);
      case 'cutover':
        doing('cutting over');
        return carryOutCutover(context, process, state, act.operationId, {
          readiness: this.readiness,
          schemaChanged: () => this.schemaChanged,
          ended: signal,
        });
      case 'undoGuard':
        doing('taking back the check of an attempt that has ended');
        return undoGuards(context, process, budgetOf(state, signal));
      case 'askForCutover':
        return askForCutover(context, process.id, this.readiness?.generation ?? '');
      case 'finish':
        doing('taking our objects away');
        return this.end(act, process, state);
      case 'rollback':
        doing('stopping what still runs');
        return this.end(act, process, state);
    }
  }

  private async roundOf(round: typeof carryOutLong): Promise<void> {
    const state = await this.state();
    if (!state || state.phase === 'finished') return;
    await round(this.context, await this.resolved(), state, this.ended.signal);
  }

  /** Finish and rollback: the last act of a migration, after which nobody carries out what is still open. */
  private async end(
    act: Extract<Act, { kind: 'finish' | 'rollback' }>,
    process: ProcessState,
    state: LiveMigration,
  ): Promise<void> {
    const { context } = this;
    const { signal } = this.ended;
    const open = await openOperations(context.database.state, process.id);
    const operation = open.find((one) => one.id === act.operationId);
    if (!operation) return;
    const result =
      act.kind === 'finish'
        ? await finish(context, process, state, operation, signal, finishWords(open))
        : await rollBack(context, process, state, operation, signal);
    // a finish that was asked for with more patience has come true as well
    for (const one of open.filter(({ verb }) => verb === act.kind))
      await markOperation(context.database.state, one.id, 'succeeded', { result });
    await failOpen(context, process.id);
    await this.evaluate();
  }

  private async failed(act: Act, process: ProcessState, error: unknown): Promise<void> {
    if (isHighwaterError(error) && error.code === bridgeInUse) {
      // no failure: enforced and bridged is where a migration rests while an old application still writes
      say(process, 'BridgeInUse', error.message, new Date());
      await pause(1_000, undefined, { signal: this.ended.signal }).catch(() => undefined);
      return;
    }
    this.failures += 1;
    process.blocked = true;
    const { code, message, help } = databaseError(error, act.kind); // an untyped one is a driver's, and its text may quote a value
    say(process, code, help === undefined ? message : `${message}; ${help}`, new Date());
    this.context.logger.warn(
      { migrationId: process.id, act: act.kind, err: error },
      `${act.kind} did not succeed; it is tried again`,
    );
    const waitMs = Math.min(retryMsMax, 250 * 2 ** Math.min(this.failures, 6)) * (0.5 + Math.random() / 2);
    await pause(waitMs, undefined, { signal: this.ended.signal }).catch(() => undefined);
  }

  private async evaluate(): Promise<void> {
    const { context } = this;
    const access = context.database.state;
    const { state: folded, version } = await context.runner.state(streamOf(this.migration.id));
    if (folded.phase === 'none') return;
    const state = folded;
    if (resting.includes(state.phase) && performance.now() - this.evaluatedAtMs < restingEveryMs) return;
    const process = await this.resolved();
    await projectState(context, process.id, process.finishing ? { ...state, stream: 'none' } : state, version);
    const progress = await readFillProgress(access, process.id, state.epoch);
    const uses = await readBridgeUses(access, process.id);
    const entities = await readEntities(access, process);
    if (state.phase !== 'finished') this.nulls = await lookAtNullCounts(context, process, this.ended.signal);
    const clock = await serverClock(access);
    const observations = await observe(context, process, state, {
      nulls: this.nulls,
      progress,
      entities,
      uses,
      clock,
      unfit: this.unfit?.message,
    });
    const { schema, slot, stream } = observations;
    await keepWithinRetention(context, process, state, slot);
    await this.noteSchema(schema);
    this.readiness ??= await this.lastReadiness();
    const readiness = evaluateReadiness(readinessSubject(process.id, state), observations, this.readiness, clock());
    this.readiness = readiness;
    this.evaluatedAtMs = performance.now();
    if (this.resumedFrom === undefined) this.resumedFrom = resumedAt(state, progress, new Date());
    const scanned = progress.reduce((sum, one) => sum + one.rowsScanned, 0);
    this.rate.observe(performance.now(), scanned, state.pause === 'running' && state.phase === 'sweeping');
    const view = statusView({
      process,
      state,
      progress,
      entities,
      nulls: this.nulls,
      uses,
      ...(await readStatusFacts(access, process.id, state.epoch)),
      slot: slot && !('error' in slot) ? slot : null,
      retention: retentionRate(process.retained?.[0], process.retained?.at(-1), performance.now()),
      fence: stream && !('error' in stream) ? (stream.fence ?? null) : null,
      resumedFrom: this.resumedFrom ?? null,
      rowSecurity: await rowSecurityStatus(access, process, state),
      rate: this.rate,
      now: new Date(),
    });
    await saveEvaluation(access, process.id, readinessView(readiness), view);
    await issueReadiness(context, process.id, state, readiness);
  }

  /** What cannot be seen changes nothing: the tables are as they were seen last. */
  private async noteSchema(seen: Observations['schema']): Promise<void> {
    this.stale ||= this.unfit !== undefined;
    if (seen === undefined || 'error' in seen) return;
    const changed = seen.fingerprintExpected !== seen.fingerprintFound;
    await projectSchemaFit(this.context.database.state, this.migration.id, changed);
    // while it is changed the present catalog is compiled against each time, and once more when it is restored
    this.stale ||= changed || this.schemaChanged;
    this.schemaChanged = changed;
  }

  /** Ready now: an evaluation that stopped coming, because a look hangs or fails, is no readiness. */
  private get ready(): boolean {
    return this.readiness?.ready === true && performance.now() - this.evaluatedAtMs < readinessAgeMsMax;
  }

  /** Another process may have evaluated before: the generation goes on from there. */
  private async lastReadiness(): Promise<Readiness | undefined> {
    const stored = await readEvaluation(this.context.database.state, this.migration.id);
    return (stored?.readiness as Readiness | null | undefined) ?? undefined;
  }
}

const readinessView = (readiness: Readiness): ReadinessView & { planHash: string } => ({ ...readiness });
