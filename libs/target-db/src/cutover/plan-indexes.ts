import type { CatalogTable } from '@highwater/derivation';
import { HighwaterError, type MigrationId } from '@highwater/kernel';
import { attemptDdl, type DdlBudget } from '../ddl/attempt.js';
import { ddlCodes } from '../ddl/codes.js';
import { ensureIndexConcurrently, findIndex, isAsPlanned, type FoundIndex } from '../ddl/concurrent-index.js';
import { fitName } from '../ddl/names.js';
import { recordCreated } from '../registry/created-objects.js';
import type { Database } from '../session/database.js';
import type { EntityTarget } from '../target.js';

export interface PlanIndex {
  /** The team's own name, exact. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly unique?: boolean;
}

/** The table that an index of the plan is on: of a target, or an entity's. */
export interface IndexedTable {
  readonly migrationId: MigrationId;
  readonly targetNo: number | null;
  readonly derivation: {
    readonly table: CatalogTable;
    /** A column that the table may not have had when the plan was compiled. */
    readonly target?: { readonly name: string; readonly ident: string };
  };
}

/** An entity's table, for the indexes that the plan names with the entity. */
export const tableOfEntity = ({ migrationId, entity: { table } }: EntityTarget): IndexedTable => ({
  migrationId,
  targetNo: null,
  derivation: { table },
});

interface Relation {
  readonly relid: number;
  readonly ident: string;
  readonly kind: string;
}

/**
 * One of the plan's indexes, under the team's own name; an index of that name with other columns is refused. On a partitioned table
 * each partition's index is built concurrently and attached to an index on the parent alone, which becomes valid with the last.
 */
export async function ensurePlanIndex(
  database: Database,
  target: IndexedTable,
  index: PlanIndex,
  budget: DdlBudget,
): Promise<'built' | 'adopted'> {
  const found = await findPlanIndex(database, target, index);
  if (found?.valid) return 'adopted';
  await onRelation(database, target, index, target.derivation.table, budget);
  return 'built';
}

/** Valid on the table and, where that is partitioned, on every partition. Throws HW5010 for one of that name that is another. */
export async function findPlanIndex(
  database: Database,
  target: IndexedTable,
  index: PlanIndex,
): Promise<FoundIndex | undefined> {
  const { table } = target.derivation;
  const found = await findIndex(database, table.relid, index.name);
  if (found && !isAsPlanned(found, index)) throw another(found, table.ident, index);
  return found;
}

const another = (found: FoundIndex, on: string, index: PlanIndex): HighwaterError =>
  new HighwaterError(
    ddlCodes.notOurs,
    'never',
    `index ${found.ident} is there already, but it is not the ${index.unique === true ? 'unique ' : ''}index over (${index.columns.join(', ')}) of ${on} that the plan names`,
    { index: found.ident, table: on },
    'look at it; drop it or choose another name, then ask again',
  );

/** The columns as the catalog quotes them. */
export function indexColumns(target: IndexedTable, index: PlanIndex): string[] {
  const { table, target: column } = target.derivation;
  return index.columns.map((name) => {
    const ident = name === column?.name ? column.ident : table.columns.get(name)?.ident;
    if (ident !== undefined) return ident;
    throw new HighwaterError(
      ddlCodes.refused,
      'never',
      `index "${index.name}" of ${table.ident} names column "${name}", which is not there`,
      { index: index.name, column: name },
    );
  });
}

async function onRelation(
  database: Database,
  target: IndexedTable,
  index: PlanIndex,
  relation: Relation,
  budget: DdlBudget,
): Promise<void> {
  const definition = `(${indexColumns(target, index).join(', ')})`;
  if (relation.kind !== 'p') {
    await ensureIndexConcurrently(
      database,
      {
        ...index,
        relid: relation.relid,
        on: relation.ident,
        definition,
        of: target,
      },
      budget.signal,
    );
    return;
  }
  if (!(await findIndex(database, relation.relid, index.name))) {
    const unique = index.unique === true ? 'unique ' : '';
    await onTable(database, target, relation, budget, 'index', [
      `create ${unique}index ${await quote(database, index.name)} on only ${relation.ident} ${definition}`,
      recordCreated({ ...target, kind: 'index', relid: relation.relid, name: index.name }),
    ]);
  }
  for (const partition of await directPartitions(database, relation.relid)) {
    const name = fitName(index.name, `_${partition.relid}`);
    await onRelation(database, target, { ...index, name }, partition, budget);
    await attach(database, target, { relation, name: index.name }, { relation: partition, name }, budget);
  }
}

type Standing = { readonly relation: Relation; readonly name: string };

/** Attaching takes no lock that writers wait for. */
async function attach(
  database: Database,
  target: IndexedTable,
  parent: Standing,
  child: Standing,
  budget: DdlBudget,
): Promise<void> {
  const [names] = await database.ddl.query<{ parent: string; child: string; attached: boolean }>(
    'looking at a partition index',
    `select format('%I.%I', pn.nspname, $2::text) as parent, format('%I.%I', cn.nspname, $4::text) as child,
            exists (select from pg_inherits h join pg_class x on x.oid = h.inhrelid where x.relname = $4 and x.relnamespace = cn.oid) as attached
       from pg_class p join pg_namespace pn on pn.oid = p.relnamespace, pg_class c join pg_namespace cn on cn.oid = c.relnamespace
      where p.oid = $1::oid and c.oid = $3::oid`,
    [parent.relation.relid, parent.name, child.relation.relid, child.name],
  );
  if (!names || names.attached) return;
  await onTable(database, target, parent.relation, budget, 'attach-index', [
    `alter index ${names.parent} attach partition ${names.child}`,
  ]);
}

const onTable = (
  database: Database,
  target: IndexedTable,
  { relid }: Relation,
  budget: DdlBudget,
  name: string,
  statements: readonly string[],
): Promise<unknown> =>
  attemptDdl(
    database,
    {
      migrationId: target.migrationId,
      targetNo: target.targetNo,
      name,
      table: target.derivation.table.ident,
      relids: [relid],
      lock: [],
      lockMode: 'SHARE ROW EXCLUSIVE',
      statements,
    },
    budget,
  );

const directPartitions = (database: Database, relid: number): Promise<(Relation & Record<string, unknown>)[]> =>
  database.ddl.query<Relation & Record<string, unknown>>(
    'reading partitions',
    `select c.oid::int8::float8 as relid, format('%I.%I', n.nspname, c.relname) as ident, c.relkind::text as kind
       from pg_inherits h join pg_class c on c.oid = h.inhrelid join pg_namespace n on n.oid = c.relnamespace
      where h.inhparent = $1::oid and c.relkind in ('r', 'p') order by c.oid`,
    [relid],
  );

async function quote(database: Database, name: string): Promise<string> {
  const [row] = await database.ddl.query<{ name: string }>('quoting a name', `select format('%I', $1::text) as name`, [
    name,
  ]);
  return row?.name ?? '';
}
