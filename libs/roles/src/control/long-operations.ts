import { isHighwaterError } from '@highwater/kernel';
import type { LiveMigration } from '@highwater/migration';
import { openOperations } from '@highwater/target-db';
import { retryUnfillable } from './acts/retry-unfillable.js';
import { rowSecurityRound } from './acts/row-security.js';
import { verifyRound } from './acts/verify.js';
import { uniqueIndexRound } from './acts/unique-indexes.js';
import type { ControlContext } from './context.js';
import { fail } from './operations.js';
import type { ProcessState } from './process-state.js';

/**
 * Operations that take longer than a moment have a loop of their own, so that neither pause and halt nor the acts wait behind them. Each
 * round is bounded and begins with a look at what is wanted; what is done is in tables, so a crash goes on where it was.
 */
export async function carryOutLong(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
): Promise<void> {
  await uniqueIndexRound(context, process, state, signal);
  await rowSecurityRound(context, process, state, signal);
  for (const [verb, round] of [
    ['retry', retryUnfillable],
    ['verify', verifyRound],
  ] as const) {
    try {
      await round(context, process, state, signal);
    } catch (error) {
      if (signal.aborted || !isHighwaterError(error) || error.retry !== 'never') throw error;
      const asked = (await openOperations(context.database.state, process.id)).find((one) => one.verb === verb);
      if (!asked) throw error;
      await fail(context, asked, error);
    }
  }
}
