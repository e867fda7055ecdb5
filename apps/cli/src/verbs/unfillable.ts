import type { UnfillablePolicy } from '@highwater/plan';
import {
  unfillableCells,
  unfillableColumns,
  type UnfillableFilter,
  type UnfillableListFilter,
  type UnfillableRowView,
} from '@highwater/roles';

import { dryRun, type DryRunOptions } from '../dry-run.js';
import { csvFor, json, table } from '../output.js';
import type { ServiceClient } from '../service-client.js';
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
  const rows = await every(client, migration, { ...filter, policy: options.policy });
  const cells = rows.map(unfillableCells);
  if (session.format === 'json') session.terminal.out(json({ rows }));
  else if (session.format === 'csv') session.terminal.out(csvFor(session.terminal, unfillableColumns, cells));
  else session.terminal.out(rows.length === 0 ? 'no unfillable row\n' : table(unfillableColumns, cells));
}

async function every(
  client: ServiceClient,
  migration: string,
  filter: UnfillableListFilter,
): Promise<readonly UnfillableRowView[]> {
  const limit = 1_000;
  const rows: UnfillableRowView[] = [];
  for (;;) {
    const page = await client.unfillable(migration, filter, limit, rows.length);
    rows.push(...page);
    if (page.length < limit) return rows;
  }
}
