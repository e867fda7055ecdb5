import type { Limits } from '@highwater/plan';
import type { z } from 'zod';
import type { limitsBody } from '../http/schemas.js';

/** Limits as the plan names them (durations already in milliseconds) → as the process knows them. */
export function limitsOf(body: Omit<z.output<typeof limitsBody>, 'reason'>): Partial<Limits> {
  const { lockBudget, rowBudget, replicaLag, lockAttempts, sweepWorkers, chunkRowsMax, sweepRowsPerSecondMax } = body;
  const named = {
    lockBudgetMs: lockBudget,
    rowBudgetMs: rowBudget,
    replicaLagMs: replicaLag,
    lockAttempts,
    sweepWorkers,
    chunkRowsMax,
    sweepRowsPerSecondMax,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}
