import { userInfo } from 'node:os';
import { isHighwaterError, messageOf } from '@highwater/kernel';
import {
  createEngine,
  nextSteps,
  notDrained,
  parseSettings,
  processRoles,
  readPlan,
  type CommandContext,
  type Engine,
  type MigrationStatusView,
  type Operation,
  type ReadinessView,
} from '@highwater/roles';
import { boundHeapGrowth, createLogger } from '@highwater/telemetry';
import { confirm } from '../confirm.js';
import { Reporter } from '../report.js';
import type { Session } from '../session.js';
import { readinessTable } from '../status-block.js';
import { toDo } from './cutover.js';
import { plan } from './plan.js';

export interface RunOptions {
  readonly cutover?: boolean;
  readonly finish?: boolean;
  readonly bridgeUnused?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
}

const askEveryMs = 500;

/**
 * The whole job in one process, without a service: the same engine. Interrupted at any moment it loses nothing; the next run goes on
 * from what is stored.
 *
 * ```
 * planned ─▶ started ─▶ ready ──┬─ without --cutover: goes on filling until interrupted
 *                               └─ --cutover ─▶ enforced ─ --finish ─▶ finished
 * ```
 */
export async function run(session: Session, path: string, options: RunOptions): Promise<void> {
  if (options.dryRun === true) return plan(session, path);
  const source = session.readPlanFile(path);
  const { migration } = readPlan(source).parsed.plan;
  const settings = parseSettings(session.environment);
  if (options.cutover === true)
    await confirm(session, migration, `"${migration}" will be cut over when it is ready`, options.yes === true);
  const destination = { write: (record: string) => session.terminal.err(record) };
  const level = session.environment['HIGHWATER_LOG_LEVEL'] === undefined ? 'warn' : settings.logLevel;
  boundHeapGrowth();
  const engine = await createEngine(settings, createLogger({ name: 'run', level, destination }));
  try {
    await session.unlessInterrupted(engine.start(processRoles));
    await session.unlessInterrupted(new Job(session, engine, migration, source).work(options));
  } finally {
    // what came of the job is what came of it, whatever its end waits for
    const late = await notDrained(engine.stop(), () => engine.waitsFor()).catch(messageOf);
    if (late !== null) session.say('notDrained', late);
  }
}

class Job {
  private readonly reporter: Reporter;
  private readonly by: CommandContext = {
    actor: { name: userInfo().username, method: 'os' },
    reason: 'highwater run',
    ownProcess: true,
  };

  constructor(
    private readonly session: Session,
    private readonly engine: Engine,
    private readonly id: string,
    private readonly source: string,
  ) {
    this.reporter = new Reporter(session);
  }

  async work({ cutover, finish, bridgeUnused }: RunOptions): Promise<void> {
    const { control } = this.engine;
    await this.done(await control.plan(this.source, this.by));
    const phase = await this.phase();
    const over = (): void => this.session.say('finished', `migration "${this.id}" is finished already`);
    if (phase === 'finished') return over();
    if (await this.finishedBefore(() => control.start(this.id, this.by))) return over();
    if (phase !== 'enforced') {
      const ready = await this.untilReady();
      if (ready && cutover !== true) {
        this.session.say(
          'ready',
          `ready; what comes next is yours to say:\n\n${readinessTable(ready)}\nhighwater run --cutover\n`,
        );
        return this.goOn();
      }
      if (ready) await this.cutOver(ready);
      const next = nextSteps(readPlan(this.source).parsed.plan);
      this.session.say('enforced', `migration "${this.id}" is enforced\n${toDo(next)}`);
    }
    if (finish !== true) return;
    await this.finishedBefore(() => control.finish(this.id, bridgeUnused === true ? { bridgeUnused } : {}, this.by));
    this.session.say('finished', `migration "${this.id}" is finished`);
  }

  private async phase(): Promise<string | undefined> {
    return (await this.engine.control.list()).find((one) => one.id === this.id)?.phase;
  }

  /** Asks for something and waits for it. True: refused, since a finish asked for before this process began has come to its end meanwhile. */
  private async finishedBefore(ask: () => Promise<Operation>): Promise<boolean> {
    try {
      await this.done(await ask());
      return false;
    } catch (error) {
      if ((await this.phase()) !== 'finished') throw error;
      return true;
    }
  }

  /** Undefined when it was enforced meanwhile, by the plan itself or by somebody else. */
  private async untilReady(): Promise<ReadinessView | undefined> {
    for (;;) {
      const status = await this.look();
      if (status?.phase === 'enforced' || status?.phase === 'finished') return undefined;
      const readiness = await this.ask(() => this.engine.control.readiness(this.id));
      if (readiness?.ready === true && status?.phase === 'bridged') return readiness;
      await this.session.pause(askEveryMs);
    }
  }

  /** Readiness may move between the look and the request, and an attempt may not get its lock: each time it is asked for anew. */
  private async cutOver(first: ReadinessView): Promise<void> {
    for (let seen: ReadinessView | undefined = first; seen; seen = await this.untilReady()) {
      try {
        const { generation } = seen;
        return await this.done(await this.engine.control.cutover(this.id, { generation }, this.by));
      } catch (error) {
        if (!isHighwaterError(error) || !/^HW(6011|6012|6013|5\d{3})$/.test(error.code)) throw error;
        this.session.say('again', `cutover not done, tried again: ${error.message}`, { code: error.code });
        await this.session.pause(1_000);
      }
    }
  }

  private async goOn(): Promise<never> {
    for (;;) {
      await this.look();
      await this.session.pause(askEveryMs);
    }
  }

  private async done(operation: Operation): Promise<void> {
    const looking = setInterval(() => void this.look().catch(() => undefined), 1_000);
    try {
      await this.session.follow(operation, (id) => this.engine.control.operation(id));
    } finally {
      clearInterval(looking);
    }
  }

  private async look(): Promise<MigrationStatusView | undefined> {
    const { fatal } = this.engine.facts();
    if (fatal) throw new Error(`process role ${fatal.role} ended: ${fatal.message}`);
    const status = await this.ask(() => this.engine.control.get(this.id));
    if (status) this.reporter.offer(status);
    return status;
  }

  /** Undefined while it was not evaluated yet, or the database is away for a moment: the engine waits for it, and so do we. */
  private async ask<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isHighwaterError(error) && error.retry !== 'never') return undefined;
      throw error;
    }
  }
}
