import pg from 'pg';
import type { Api, RowSecurityReport } from '../demo/driver/api.js';
import { follow, STEP_MS_MAX } from '../demo/driver/job.js';
import { grouped } from '../demo/driver/output.js';
import type { ExampleRun } from './run.js';

/** One table of the plan's row level security: what the product foretold, and what a session of the application sees of it then. */
export interface Restricted {
  readonly table: string;
  readonly policy: string;
  /** As the report counted them before the approval; null: not within its time. */
  readonly foretold: RowSecurityReport['rows'];
  /** It was on before anybody had approved it. */
  readonly early: boolean;
  /** Rows that a session sees that has not said whose it is: 0. */
  readonly withoutTenant: number;
  /** The tenants with the most rows, each asked for in a session of its own: rows it sees, and how many of them are another's. */
  readonly tenants: readonly { readonly rows: number; readonly others: number }[];
}

/**
 * The finisher that nobody gets unseen: its report first, then an approval of its own, while the application writes. Empty where the plan
 * has no row level security.
 */
export async function restrict(run: ExampleRun, api: Api): Promise<Restricted[]> {
  const before = (await api.status(run.migration)).rowSecurity;
  if (!before) return [];
  const { tables } = await api.rowSecurity(run.migration);
  for (const { table, policy, rows } of tables)
    run.say('phase', `row level security: ${policy} on ${table} would show ${foretold(rows)}; approved by us`);
  await follow(run, api, await api.act(run.migration, 'approve', { rowSecurity: true }));
  await run.until('row level security to be on', STEP_MS_MAX, async () => {
    const now = (await api.status(run.migration)).rowSecurity;
    return now?.tables.every(({ on }) => on) ? true : undefined;
  });
  const seen: Restricted[] = [];
  for (const one of tables)
    seen.push({
      table: one.table,
      policy: one.policy,
      foretold: one.rows,
      early: before.tables.some(({ on }) => on),
      ...(await sessions(run, one)),
    });
  return seen;
}

export const foretold = (rows: RowSecurityReport['rows']): string =>
  rows
    ? `${grouped(rows.total)} rows to ${grouped(rows.tenants)} tenants, ${grouped(rows.seenByNobody)} to nobody`
    : 'rows that could not be counted in time';

/** As the application, by hand: one connection, first without a tenant, then as each of them. */
async function sessions(
  { stage, folder }: ExampleRun,
  { table, setting, rows }: RowSecurityReport,
): Promise<Pick<Restricted, 'withoutTenant' | 'tenants'>> {
  const client = new pg.Client({ connectionString: stage.applicationUrl, application_name: 'a look at each tenant' });
  await client.connect();
  const look = async (tenant: string): Promise<{ rows: number; others: number }> => {
    await client.query('select set_config($1, $2, false)', [setting, tenant]);
    const seen = await client.query<{ rows: number; others: number }>(
      `select count(*)::float8 as rows, (count(*) filter (where ${pg.escapeIdentifier(folder.example.target)}::text is distinct from $1))::float8 as others from ${table}`,
      [tenant],
    );
    return { rows: 0, others: 0, ...seen.rows[0] };
  };
  try {
    const withoutTenant = (await look('')).rows;
    const tenants = [];
    for (const { tenant } of rows?.largest ?? []) tenants.push(await look(tenant));
    return { withoutTenant, tenants };
  } finally {
    await client.end();
  }
}
