import { compilePlan, type DerivationIssue } from '@highwater/derivation';
import { formatTableName, type Plan } from '@highwater/plan';
import {
  checkPrivileges,
  mergeColumns,
  readCatalogForPlan,
  readOwners,
  requiredPrivileges,
  rolesOf,
  type Database,
} from '@highwater/target-db';
import type { DatabaseFacts, Misfit } from './facts.js';

/**
 * What the compiler of the rules and the list of privileges say of this catalog: the same as preflight, sooner. Of the targets only where all
 * their columns are there; of the entities always, since they come first. A missing table is told elsewhere.
 */
export async function fitOf(
  database: Database,
  plan: Plan,
  columnsThere: boolean,
): Promise<Pick<DatabaseFacts, 'misfits' | 'missingGrants'>> {
  const { ddl } = database;
  const catalog = await readCatalogForPlan(ddl, plan);
  const judged = columnsThere ? plan : { ...plan, tables: [] };
  const compiled = compilePlan(judged, catalog);
  if ('issues' in compiled) return { misfits: misfitsOf(plan, compiled.issues), missingGrants: [] };
  const { derivations, entities } = compiled;
  const relids = [...derivations, ...entities].map(({ table }) => table.relid);
  const owners = await readOwners(ddl, [...relids, ...entities.map(({ source }) => source.relid)]);
  const checked = await checkPrivileges(
    ddl,
    requiredPrivileges(derivations, owners, entities),
    await rolesOf(database),
  );
  return { misfits: [], missingGrants: mergeColumns(checked.filter(({ held }) => !held)) };
}

/** Pure. */
export const misfitsOf = (plan: Plan, issues: readonly DerivationIssue[]): readonly Misfit[] =>
  issues.flatMap(({ path, message, help }) => {
    const [, list = '', no = ''] = /^(entities|tables)\[(\d+)\]/.exec(path) ?? [];
    const entry = (list === 'entities' ? plan.entities : plan.tables)[Number(no)];
    // told as a missing table
    if (/^\w+\[\d+\]\.(table|from)$/.test(path)) return [];
    return [
      {
        on: entry === undefined ? 'plan' : formatTableName(entry.table),
        message: `${message}${help === undefined ? '' : `; ${help}`}`,
      },
    ];
  });
