import type { Access } from '../session/database.js';
import type { Foreseen } from './statements.js';

/** Rows as the planner sees them: by the last statistics and the size of now, partitions included. */
export async function rowsEstimated(access: Access, { target }: Foreseen): Promise<number> {
  const { ident, kind } = target.derivation.table;
  const [row] = await access.query<{ 'QUERY PLAN': readonly { readonly Plan: { readonly 'Plan Rows': number } }[] }>(
    `estimating the rows of ${ident}`,
    `explain (format json) select ${target.derivation.key.map((k) => k.ident).join(', ')} from ${kind === 'r' ? 'only ' : ''}${ident}`,
  );
  return row?.['QUERY PLAN'][0]?.Plan['Plan Rows'] ?? 0;
}
