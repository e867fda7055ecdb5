import { HighwaterError } from '@highwater/kernel';
import { describeBlocker, type LockBlocker } from '../blockers/blockers.js';
import { ddlCodes } from './codes.js';
import type { DdlStep } from './message.js';

export interface Attempts {
  /** The lock was asked for, and the application may have waited behind the request, each time for the lock budget at most. */
  readonly asked: number;
  /** Given up before it was asked for, since a transaction of the application held the table all the while; nobody waited. */
  readonly unasked: number;
}

/** HW5001, with what was tried and who was in the way at the last look. Pure. */
export function lockNotObtained(
  step: Pick<DdlStep, 'name' | 'table' | 'lockMode'>,
  lockBudgetMs: number,
  { asked, unasked }: Attempts,
  blockers: readonly LockBlocker[],
  cause: unknown,
): HighwaterError {
  const names = blockers.map(describeBlocker);
  const autovacuum = blockers.some((b) => b.kind === 'autovacuum');
  const tried = [
    ...(asked > 0 ? [`${asked} attempts of ${lockBudgetMs} ms`] : []),
    ...(unasked > 0 ? [`${unasked} attempts given up unasked, behind an older transaction`] : []),
  ];
  return new HighwaterError(
    ddlCodes.lockNotObtained,
    'backoff',
    `step ${step.name} on ${step.table}: ${step.lockMode} lock not obtained in ${tried.join(' and ')}; ` +
      (names.length > 0 ? names.join('; ') : 'nobody was seen holding it, the step itself took longer than its budget'),
    {
      step: step.name,
      table: step.table,
      attempts: asked,
      attemptsUnasked: unasked,
      blockers: names,
      reason: autovacuum ? 'AutovacuumRunning' : 'LockHeld',
    },
    autovacuum
      ? 'wait until the vacuum of this table is done'
      : 'wait for the named session, or end it with pg_terminate_backend(pid)',
    cause === undefined ? {} : { cause },
  );
}
