import type { UnfillablePolicy } from '@highwater/plan';
import { unfillableCells, unfillableColumns, type UnfillableFilter } from '@highwater/roles';
import { dryRun, type DryRunOptions } from '../dry-run.js';
import { writeRows } from '../row-list.js';
import { whichMigration, type CommonOptions, type Session } from '../session.js';

export interface UnfillableOptions extends CommonOptions, DryRunOptions {
  readonly table?: string;
  readonly reason?: string;
  readonly policy?: UnfillablePolicy;
  readonly retry?: boolean;
  readonly note?: string;
}

/** Rows that no pass could fill, by table and reason; with `--retry` derives and writes them again first and shows what is left. */
export async function unfillable(
  session: Session,
  named: string | undefined,
  options: UnfillableOptions,
): Promise<void> {
  const client = session.client(options);
  const migration = await whichMigration(client, named);
  const filter: UnfillableFilter = { table: options.table, reason: options.reason };
  if (options.retry === true) {
    const body = options.note === undefined ? {} : { reason: options.note };
    if (options.dryRun === true)
      return dryRun(session, client, migration, {
        method: 'POST',
        path: client.retryPath(migration, filter),
        body,
      });
    const operation = await session.follow(await client.retry(migration, filter, body), client.operation);
    const { filled = 0, unfillable: left = 0, contended = 0 } = (operation.result ?? {}) as Record<string, number>;
    session.say('retried', `${filled} filled, ${left} still unfillable, ${contended} held by somebody`, {
      operation: operation.id,
      result: operation.result,
    });
  }
  await writeRows(
    session,
    { columns: unfillableColumns, cells: unfillableCells, none: 'no unfillable row' },
    client.unfillable(migration, { ...filter, policy: options.policy }),
  );
}
