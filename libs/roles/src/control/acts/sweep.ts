import type { LiveMigration } from '@highwater/migration';
import { createRanges, createTailPass, readFillProgress } from '@highwater/target-db';
import { issue, type ControlContext } from '../context.js';
import type { ProcessState } from '../process-state.js';

/** Reads where history ends now, stores the ranges and records it, which opens the gate. Sweepers take it from there. */
export async function startSweep(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  epoch: number,
): Promise<void> {
  const { database } = context;
  const tables = [];
  for (const target of process.targets) {
    const { ranges, rowsEstimated } = await createRanges(database.fill, target, {
      epoch,
      workers: state.limits.sweepWorkers,
      chunkRowsMax: state.limits.chunkRowsMax,
    });
    tables.push({ table: nameOf(target), target: target.derivation.target.name, ranges, rowsEstimated });
  }
  await issue(context, process.id, 'StartSweep', { epoch, tables });
}

/** One more pass over what is still NULL, unfillable rows included: they may have been repaired. */
export async function startTailPass(
  context: ControlContext,
  process: ProcessState,
  epoch: number,
  pass: number,
  nulls: readonly (number | null)[],
): Promise<void> {
  for (const target of process.targets) {
    await createTailPass(context.database.fill, target, { epoch, pass, rowsEstimated: nulls[target.targetNo] ?? 0 });
  }
}

export async function completeSweep(context: ControlContext, process: ProcessState, epoch: number): Promise<void> {
  const progress = await readFillProgress(context.database.state, process.id, epoch);
  const sum = (pick: (one: (typeof progress)[number]) => number): number =>
    progress.reduce((total, one) => total + pick(one), 0);
  await issue(context, process.id, 'RecordSweepCompleted', {
    epoch,
    filled: sum((one) => one.filled.sweep + one.filled.tailPass),
    unfillable: sum((one) => Object.values(one.unfillable).reduce((a, b) => a + b, 0)),
  });
}

const nameOf = ({ derivation: { table } }: ProcessState['targets'][number]): string => `${table.schema}.${table.name}`;
