import { verifyTarget } from '@highwater/target-db';
import type { LiveMigration, TargetName } from '@highwater/migration';
import { issue, type ControlContext, type Issuer, service } from '../context.js';
import type { ProcessState } from '../process-state.js';

/** Compares every stored value with what the rule gives now. Counts are events, keys of mismatches a table. */
export async function verifyAll(
  context: ControlContext,
  process: ProcessState,
  state: LiveMigration,
  signal: AbortSignal,
  onProgress: (checked: number) => void,
  by: Issuer = service,
): Promise<void> {
  const tables: (TargetName & { checked: number; mismatches: number; unfillable: number })[] = [];
  let before = 0;
  for (const target of process.targets) {
    const found = await verifyTarget(context.database.fill, target, {
      signal,
      onPage: (checked) => onProgress(before + checked),
    });
    before += found.checked;
    const name = state.targets[target.targetNo];
    tables.push({
      table: name?.table ?? target.derivation.table.name,
      target: name?.target ?? target.derivation.target.name,
      checked: found.checked,
      mismatches: found.mismatches,
      unfillable: found.nulls,
    });
  }
  const sum = (pick: (one: (typeof tables)[number]) => number): number =>
    tables.reduce((total, one) => total + pick(one), 0);
  await issue(
    context,
    process.id,
    'RecordVerification',
    {
      checked: sum((one) => one.checked),
      mismatches: sum((one) => one.mismatches),
      unfillable: sum((one) => one.unfillable),
      tables,
    },
    by,
  );
}
