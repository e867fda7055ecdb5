import { HighwaterError } from '@highwater/kernel';
import type { CatalogTable } from '@highwater/derivation';
import type { OnDelete } from '@highwater/plan';
import { readPartitions } from '../catalog/facts.js';
import { attemptDdl, type DdlBudget } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { runLong } from '../ddl/long.js';
import { recordCreated } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';
import type { FillTarget } from '../target.js';

const onDeleteSql: Readonly<Record<OnDelete, string>> = {
  restrict: 'on delete restrict',
  cascade: 'on delete cascade',
  setNull: 'on delete set null',
  noAction: 'on delete no action',
};

interface Existing extends Record<string, unknown> {
  validated: boolean;
  constraint: string;
}

/**
 * The foreign key of the target: NOT VALID (short lock on both tables), then validated while writers go on. An existing one to the
 * same parent counts. Before 18 a partitioned table refuses NOT VALID: each leaf gets its own first, and the parent's takes them over.
 */
export async function ensureForeignKey(
  database: Database,
  target: FillTarget,
  parent: CatalogTable,
  onDelete: OnDelete,
  budget: DdlBudget,
): Promise<'built' | 'adopted'> {
  const { table } = target.derivation;
  const [version] = await database.ddl.query<{ n: number }>(
    'asking the version',
    `select current_setting('server_version_num')::int as n`,
  );
  const perLeaf = table.kind === 'p' && (version?.n ?? 0) < 180000;
  const existing = await findForeignKey(database, target, table.relid, parent.relid);
  if (existing?.validated) return 'adopted';
  if (perLeaf)
    for (const leaf of await readPartitions(database.ddl, table.relid))
      await onRelation(database, target, leaf, parent, onDelete, budget, 'not valid');
  await onRelation(database, target, table, parent, onDelete, budget, perLeaf ? '' : 'not valid');
  return 'built';
}

async function onRelation(
  database: Database,
  target: FillTarget,
  relation: { readonly relid: number; readonly ident: string },
  parent: CatalogTable,
  onDelete: OnDelete,
  budget: DdlBudget,
  notValid: 'not valid' | '',
): Promise<void> {
  const column = target.derivation.target;
  const key = parent.primaryKey.map((name) => parent.columns.get(name)?.ident);
  if (key.length !== 1)
    throw new HighwaterError(
      ddlCodes.refused,
      'never',
      `foreign key of ${relation.ident}: ${parent.ident} has no primary key of one column`,
      {
        table: relation.ident,
        parent: parent.ident,
      },
    );
  if (!(await findForeignKey(database, target, relation.relid, parent.relid))) {
    const [named] = await database.ddl.query<{ raw: string; name: string }>(
      'naming the foreign key',
      `select n.raw, format('%I', n.raw) as name from (select left(c.relname, 63 - length($2::text) - 6) || '_' || $2::text || '_fkey' as raw from pg_class c where c.oid = $1::oid) as n`,
      [relation.relid, column.name],
    );
    await attemptDdl(
      database,
      {
        migrationId: target.migrationId,
        targetNo: target.targetNo,
        name: 'foreign-key',
        table: target.derivation.table.ident,
        relids: [relation.relid, parent.relid],
        lock: [target.derivation.table.ident].filter(() => relation.relid === target.derivation.table.relid),
        lockMode: 'SHARE ROW EXCLUSIVE',
        statements: [
          `alter table ${relation.ident} add constraint ${named?.name ?? ''} foreign key (${column.ident}) references ${parent.ident} (${key[0]}) ${onDeleteSql[onDelete]} ${notValid}`.trimEnd(),
          recordCreated({ ...target, kind: 'constraint', relid: relation.relid, name: named?.raw ?? '' }),
        ],
      },
      budget,
    );
  }
  const made = await findForeignKey(database, target, relation.relid, parent.relid);
  if (made && !made.validated)
    await runLong(
      database,
      `validating foreign key ${made.constraint} of ${relation.ident}`,
      `alter table ${relation.ident} validate constraint ${made.constraint}`,
      budget.signal,
    );
}

async function findForeignKey(
  database: Database,
  target: FillTarget,
  relid: number,
  parent: number,
): Promise<Existing | undefined> {
  const rows = await database.ddl.query<Existing>(
    'looking for the foreign key',
    `select format('%I', f.conname) as constraint, f.convalidated as validated from pg_constraint f
       join pg_attribute a on a.attrelid = f.conrelid and f.conkey = array[a.attnum]
      where f.contype = 'f' and f.conrelid = $1::oid and f.confrelid = $2::oid and a.attname = $3
      order by f.convalidated desc limit 1`,
    [relid, parent, target.derivation.target.name],
  );
  return rows[0];
}
