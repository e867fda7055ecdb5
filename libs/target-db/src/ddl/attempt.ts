import { setTimeout as pause } from 'node:timers/promises';
import { HighwaterError } from '@highwater/kernel';
import { failpoint, type Failpoint } from '@highwater/telemetry';
import { describeBlocker, longHolders, readBlockers, type LockBlocker } from '../blockers/blockers.js';
import type { Client, Database, Row } from '../session/database.js';
import { databaseError, isConnectionLoss } from '../session/errors.js';
import { isSqlstate, sqlstate } from '../session/sqlstate.js';
import { ddlCodes } from './codes.js';
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
  for (let attempt = 1; ; attempt += 1) {
    budget.signal?.throwIfAborted();
    await standAside(database, step.relids, budget);
    const text = ddlMessage(step, budget.lockBudgetMs, attempt);
    try {
      const timing = await database.ddl.session(`step ${step.name}`, async (client) => {
        const watching = watch(database, client, step.relids, budget.lockBudgetMs, (found) => (blockers = found));
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
      if (attempt >= budget.lockAttempts) throw lockNotObtained(step, budget, attempt, blockers, error);
      await pause((budget.pauseMs ?? growingPause)(attempt), undefined, budget.signal ? { signal: budget.signal } : {});
    }
  }
}

/**
 * With a lock budget below deadlock_timeout an autovacuum is never cancelled for us, so queueing behind one only stalls the application
 * (DESIGN section 2, trap 13). Waits, bounded, until none runs.
 */
async function standAside(database: Database, relids: readonly number[], budget: DdlBudget): Promise<void> {
  const until = performance.now() + (budget.maintenanceWaitMs ?? 60_000);
  while (performance.now() < until) {
    const { maintenance, ourReaders } = await longHolders(database.state, relids);
    if (!maintenance && !ourReaders) return;
    // pages of ours follow each other with a short rest between rounds
    await pause(ourReaders ? 50 : 200, undefined, budget.signal ? { signal: budget.signal } : {});
  }
}

/** 200 ms, 400 ms, … at most 5 s, each between half and one and a half of that, so that two of us do not march in step. */
const growingPause = (attempt: number): number => Math.min(5_000, 100 * 2 ** attempt) * (0.5 + Math.random());

/** Looks, by another connection, who blocks us: half way through the budget, while we still wait. */
function watch(
  database: Database,
  client: Client,
  relids: readonly number[],
  budgetMs: number,
  found: (blockers: readonly LockBlocker[]) => void,
): { stop(): void } {
  const pid = (client as Client & { processID?: number | null }).processID ?? undefined;
  const timer = setTimeout(() => {
    readBlockers(database.state, relids, pid === undefined ? {} : { blockingPid: pid }).then(found, () => undefined); // naming is best effort
  }, budgetMs / 2);
  return { stop: () => clearTimeout(timer) };
}

function lockNotObtained(
  step: DdlStep,
  budget: DdlBudget,
  attempts: number,
  blockers: readonly LockBlocker[],
  cause: unknown,
): HighwaterError {
  const names = blockers.map(describeBlocker);
  const autovacuum = blockers.some((b) => b.kind === 'autovacuum');
  return new HighwaterError(
    ddlCodes.lockNotObtained,
    'backoff',
    `step ${step.name} on ${step.table}: ${step.lockMode} lock not obtained in ${attempts} attempts of ${budget.lockBudgetMs} ms; ` +
      (names.length > 0 ? names.join('; ') : 'nobody was seen holding it, the step itself took longer than its budget'),
    {
      step: step.name,
      table: step.table,
      attempts,
      blockers: names,
      reason: autovacuum ? 'AutovacuumRunning' : 'LockHeld',
    },
    autovacuum
      ? 'wait until the vacuum of this table is done'
      : 'wait for the named session, or end it with pg_terminate_backend(pid)',
    { cause },
  );
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
