import { setTimeout as pause } from 'node:timers/promises';
import { HighwaterError } from '@highwater/kernel';
import { failpoint, type Failpoint } from '@highwater/telemetry';
import { longHolders, readBlockers, type LockBlocker } from '../blockers/blockers.js';
import type { Client, Database, Row } from '../session/database.js';
import { databaseError, isConnectionLoss } from '../session/errors.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { ddlCodes } from './codes.js';
import { lockNotObtained } from './lock-not-obtained.js';
import { ddlMessage, type DdlStep } from './message.js';

/** The waits one step may cause; from the plan's limits. */
export interface DdlBudget {
  /** Queueing for the lock and holding it, together: what the application may wait at most. */
  readonly lockBudgetMs: number;
  readonly lockAttempts: number;
  /** Grows with each attempt, jittered; default 200 ms to 5 s. */
  readonly pauseMs?: (attempt: number) => number;
  /** How long to stand aside for a vacuum before queueing behind it after all; nobody waits for us meanwhile. Default 60 s. */
  readonly maintenanceWaitMs?: number;
  /**
   * How long an attempt stands aside for transactions of the application that hold the table already, before it is made or, when one of them
   * held it all the while, given up unasked. Default ten lock budgets, 30 s at most; 0 looks for nobody.
   */
  readonly holderWaitMs?: number;
  readonly signal?: AbortSignal;
}

export interface DdlOutcome {
  readonly attempts: number;
  /** Measured by the server: BEGIN to lock held, and lock held to just before COMMIT. */
  readonly lockWaitMs: number;
  readonly heldMs: number;
}

/** Steps that a test lets the process die or freeze in: the message is on its way, its answer was not read. */
const sent: Readonly<Partial<Record<string, Failpoint>>> = {
  bridge: 'bridge.sent',
  guard: 'cutover.guardSent',
  'set-not-null': 'cutover.setNotNullSent',
  'drop-bridge': 'finish.bridgeSent',
  rollback: 'rollback.objectSent',
};

/** One parsed result per statement is what the driver answers to a message of several; its type says otherwise. */
const rowsOf = (answer: unknown): Row[][] =>
  (Array.isArray(answer) ? answer : [answer]).map((r: { rows?: Row[] }) => r.rows ?? []);

/**
 * Runs one step in few bounded attempts, as the ddl access. Never an unlimited last try: when all fail the error names who held the
 * lock. `onRefused` may turn an error of the statements themselves into a result (the guard's own SQLSTATE).
 */
export async function attemptDdl(database: Database, step: DdlStep, budget: DdlBudget): Promise<DdlOutcome> {
  let blockers: readonly LockBlocker[] = [];
  let unasked = 0;
  for (let attempt = 1; ; attempt += 1) {
    budget.signal?.throwIfAborted();
    const staying = await standAside(database, step, budget);
    if (staying.length > 0) unasked += 1;
    const made: DdlOutcome | NotObtained =
      staying.length > 0 ? { blockers: staying } : await askOnce(database, step, budget, attempt);
    if ('heldMs' in made) return made;
    blockers = made.blockers ?? blockers;
    if (attempt >= budget.lockAttempts)
      throw lockNotObtained(step, budget.lockBudgetMs, { asked: attempt - unasked, unasked }, blockers, made.refused);
    await rest((budget.pauseMs ?? growingPause)(attempt), budget);
  }
}

/** An attempt that came to nothing: who was in the way, undefined when nobody could look, and the server's answer when it was asked. */
interface NotObtained {
  readonly blockers: readonly LockBlocker[] | undefined;
  readonly refused?: unknown;
}

async function askOnce(
  database: Database,
  step: DdlStep,
  budget: DdlBudget,
  attempt: number,
): Promise<DdlOutcome | NotObtained> {
  let seen: Promise<readonly LockBlocker[] | undefined> | undefined;
  const text = ddlMessage(step, budget.lockBudgetMs, attempt);
  try {
    const timing = await database.ddl.session(`step ${step.name}`, async (client) => {
      const watching = watch(database, client, step.relids, budget.lockBudgetMs, (looking) => (seen = looking));
      try {
        const answer = client.query(text);
        await failpoint(sent[step.name]);
        return rowsOf(await answer)
          .flat()
          .find((row) => 'held_ms' in row);
      } finally {
        watching.stop();
      }
    });
    return {
      attempts: attempt,
      lockWaitMs: Number(timing?.['lock_wait_ms'] ?? 0),
      heldMs: Number(timing?.['held_ms'] ?? 0),
    };
  } catch (error) {
    if (isConnectionLoss(error))
      throw new HighwaterError(
        ddlCodes.outcomeUnknown,
        'reconcile',
        `step ${step.name} on ${step.table}: connection lost, the outcome is unknown; the catalog decides`,
        { step: step.name, table: step.table },
        undefined,
        { cause: error },
      );
    if (!isSqlstate(error, sqlstate.lockNotAvailable, sqlstate.queryCanceled, sqlstate.deadlockDetected))
      throw refusal(step, error);
    return { blockers: await whoWasInTheWay(database, step, budget.lockBudgetMs, await seen), refused: error };
  }
}

/**
 * On a busy server the look may come when the attempt is over already, and see nobody: then those who hold the table now and did so for all of the
 * attempt. Undefined: nobody could look; naming is best effort.
 */
async function whoWasInTheWay(
  database: Database,
  step: DdlStep,
  budgetMs: number,
  seen: readonly LockBlocker[] | undefined,
): Promise<readonly LockBlocker[] | undefined> {
  if (seen !== undefined && seen.length > 0) return seen;
  return holdersFor(database, step, budgetMs).catch(() => seen);
}

/** Those whose lock on the step's tables, held by a transaction at least that old, stands in its way. */
async function holdersFor(database: Database, step: DdlStep, minimumAgeMs: number): Promise<LockBlocker[]> {
  const blockers = await readBlockers(database.state, step.relids, { minimumAgeMs });
  return blockers.filter((one) => one.granted && stops(one.mode, step.lockMode));
}

const rest = (ms: number, { signal }: DdlBudget): Promise<void> => pause(ms, undefined, signal ? { signal } : {});

/** Of one attempt, however large its budget: who waits for hours holds up everything that comes after the step, and its error. */
const holderWaitMsMax = 30_000;

/**
 * Whoever asks for a lock that is held makes every later statement on the table wait behind the request. So, bounded, nothing is asked for while
 * - maintenance runs: with a lock budget below deadlock_timeout an autovacuum is never cancelled for us (DESIGN section 2, trap 13);
 * - a process of ours reads;
 * - a transaction of the application holds the table that is older than ordinary work: one that was open for so long may be for longer than the
 *   budget, and the application would wait for all of it in vain.
 * @returns those of the last kind that were there from the beginning to the end of the wait: asking would be in vain. None: ask.
 */
async function standAside(database: Database, step: DdlStep, budget: DdlBudget): Promise<readonly LockBlocker[]> {
  const began = performance.now();
  const holderWaitMs = budget.holderWaitMs ?? Math.min(10 * budget.lockBudgetMs, holderWaitMsMax);
  let staying: readonly LockBlocker[] | undefined;
  for (;;) {
    const { maintenance, ourReaders } = await longHolders(database.state, step.relids);
    const holders = holderWaitMs > 0 ? await holdersFor(database, step, budget.lockBudgetMs / 4) : [];
    const open = holders.filter((one) => one.kind !== 'autovacuum');
    staying = staying === undefined ? open : staying.filter((one) => open.some((other) => sameHolder(one, other)));
    const waitedMs = performance.now() - began;
    const upkeep = (maintenance || ourReaders) && waitedMs < (budget.maintenanceWaitMs ?? 60_000);
    if (!upkeep && (open.length === 0 || waitedMs >= holderWaitMs)) return staying;
    // pages of ours follow each other with a short rest between rounds
    await rest(ourReaders ? 50 : 200, budget);
  }
}

/** https://www.postgresql.org/docs/current/explicit-locking.html, table 13.2; every lock stops ACCESS EXCLUSIVE. */
const stops = (held: string, asked: DdlStep['lockMode']): boolean =>
  asked === 'ACCESS EXCLUSIVE' || (held !== 'AccessShareLock' && held !== 'RowShareLock');

const sameHolder = (a: LockBlocker, b: LockBlocker): boolean =>
  a.pid === b.pid && a.gid === b.gid && a.since === b.since;

/** 200 ms, 400 ms, … at most 5 s, each between half and one and a half of that, so that two of us do not march in step. */
const growingPause = (attempt: number): number => Math.min(5_000, 100 * 2 ** attempt) * (0.5 + Math.random());

/** Looks, by another connection, who blocks us: half way through the budget, while we still wait. */
function watch(
  database: Database,
  client: Client,
  relids: readonly number[],
  budgetMs: number,
  looks: (looking: Promise<readonly LockBlocker[] | undefined>) => void,
): { stop(): void } {
  const pid = (client as Client & { processID?: number | null }).processID ?? undefined;
  const timer = setTimeout(() => {
    looks(readBlockers(database.state, relids, pid === undefined ? {} : { blockingPid: pid }).catch(() => undefined)); // naming is best effort
  }, budgetMs / 2);
  return { stop: () => clearTimeout(timer) };
}

function refusal(step: DdlStep, error: unknown): HighwaterError {
  const known = databaseError(error, `step ${step.name} on ${step.table}`);
  return known.code === 'HW9001'
    ? new HighwaterError(
        ddlCodes.refused,
        'never',
        known.message,
        { ...known.context, step: step.name, table: step.table },
        undefined,
        { cause: error },
      )
    : new HighwaterError(known.code, known.retry, known.message, known.context, known.help, { cause: error });
}
