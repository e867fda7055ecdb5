import { HighwaterError } from '@highwater/kernel';
import { readPartitions } from '../catalog/facts.js';
import { attemptDdl, type DdlBudget } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { ensureIndexConcurrently } from '../ddl/concurrent-index.js';
import { recordCreated } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';
import type { FillTarget } from '../target.js';

/**
 * One of the plan's indexes, under the team's own name. On a partitioned table each leaf's index is built concurrently and attached
 * to an index on the parent alone, which becomes valid with the last.
 */
export async function ensurePlanIndex(
  database: Database,
  target: FillTarget,
  index: { readonly name: string; readonly columns: readonly string[] },
  budget: DdlBudget,
): Promise<'built' | 'adopted'> {
  const { table, target: column } = target.derivation;
  const idents = index.columns.map((name) => (name === column.name ? column.ident : table.columns.get(name)?.ident));
  if (idents.some((ident) => ident === undefined))
    throw new HighwaterError(
      ddlCodes.refused,
      'never',
      `index "${index.name}" of ${table.ident} names a column that is not there`,
      { index: index.name },
    );
  const definition = `(${idents.join(', ')})`;
  if (table.kind === 'r')
    return ensureIndexConcurrently(
      database,
      { name: index.name, relid: table.relid, on: table.ident, definition, of: target },
      budget.signal,
    );

  const parent = await parentIndex(database, table.relid, index.name);
  if (parent?.valid) return 'adopted';
  if (!parent)
    await attemptDdl(
      database,
      {
        migrationId: target.migrationId,
        targetNo: target.targetNo,
        name: 'index',
        table: table.ident,
        relids: [table.relid],
        lock: [],
        lockMode: 'SHARE ROW EXCLUSIVE',
        statements: [
          `create index ${await quote(database, index.name)} on only ${table.ident} ${definition}`,
          recordCreated({ ...target, kind: 'index', relid: table.relid, name: index.name }),
        ],
      },
      budget,
    );
  for (const leaf of await readPartitions(database.ddl, table.relid)) {
    const name = `${index.name.slice(0, 50)}_${leaf.relid}`;
    await ensureIndexConcurrently(
      database,
      { name, relid: leaf.relid, on: leaf.ident, definition, of: target },
      budget.signal,
    );
    await attach(database, target, index.name, leaf, name, budget);
  }
  return 'built';
}

/** Attaching takes no lock that writers wait for; a leaf below a sub-partitioned table is attached through its own parent by the server. */
async function attach(
  database: Database,
  target: FillTarget,
  parent: string,
  leaf: { readonly relid: number; readonly ident: string },
  name: string,
  budget: DdlBudget,
): Promise<void> {
  const { table } = target.derivation;
  const [names] = await database.ddl.query<{ parent: string; child: string; attached: boolean }>(
    'looking at a partition index',
    `select format('%I.%I', pn.nspname, $2::text) as parent, format('%I.%I', cn.nspname, $4::text) as child,
            exists (select from pg_inherits h join pg_class x on x.oid = h.inhrelid where x.relname = $4 and x.relnamespace = cn.oid) as attached
       from pg_class p join pg_namespace pn on pn.oid = p.relnamespace, pg_class c join pg_namespace cn on cn.oid = c.relnamespace
      where p.oid = $1::oid and c.oid = $3::oid`,
    [table.relid, parent, leaf.relid, name],
  );
  if (!names || names.attached) return;
  await attemptDdl(
    database,
    {
      migrationId: target.migrationId,
      targetNo: target.targetNo,
      name: 'attach-index',
      table: table.ident,
      relids: [table.relid],
      lock: [],
      lockMode: 'SHARE ROW EXCLUSIVE',
      statements: [`alter index ${names.parent} attach partition ${names.child}`],
    },
    budget,
  );
}

async function parentIndex(database: Database, relid: number, name: string): Promise<{ valid: boolean } | undefined> {
  const rows = await database.ddl.query<{ valid: boolean }>(
    'looking for an index',
    `select i.indisvalid as valid from pg_index i join pg_class x on x.oid = i.indexrelid where i.indrelid = $1::oid and x.relname = $2`,
    [relid, name],
  );
  return rows[0];
}

async function quote(database: Database, name: string): Promise<string> {
  const [row] = await database.ddl.query<{ name: string }>('quoting a name', `select format('%I', $1::text) as name`, [
    name,
  ]);
  return row?.name ?? '';
}
